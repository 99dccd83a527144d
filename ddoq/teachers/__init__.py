"""Frozen classifiers that label synthetic images."""
