"""Decoders, which turn points into images."""
