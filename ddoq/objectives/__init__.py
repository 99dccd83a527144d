"""Objectives of learned sets: how far apart two sets are, seen through a network."""
