"""Soft labels that are made once for a whole training, and kept."""
