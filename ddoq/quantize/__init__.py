"""From the latents of a class to a few weighted points."""
