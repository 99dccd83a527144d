"""What a synthetic set is worth: protocols, scores and comparisons."""
