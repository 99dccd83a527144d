"""Real labeled images, and their latents on disk."""
