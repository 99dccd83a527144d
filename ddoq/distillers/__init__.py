"""From real images to a synthetic set: the method, and the baselines and rivals beside it."""
