"""Autoencoders, which turn images into latents and back."""
