"""Samplers: which real images of a class a step of a learned set sees."""
