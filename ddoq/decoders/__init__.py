"""From points to images."""
