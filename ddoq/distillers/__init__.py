"""Distillers, which turn real images into a synthetic set: the method, baselines and rivals."""
