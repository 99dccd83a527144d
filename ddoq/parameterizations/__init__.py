"""Parameterizations: what is learned of a set, and how it becomes images."""
