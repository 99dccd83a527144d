"""Networks that are trained on a synthetic set to find out what it is worth."""
