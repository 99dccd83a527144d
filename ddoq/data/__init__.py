"""The data of a run: real labeled images, and their latents on disk."""
