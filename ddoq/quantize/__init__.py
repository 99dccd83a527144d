"""Optimal quantization: a few weighted points for the latents of each class."""
