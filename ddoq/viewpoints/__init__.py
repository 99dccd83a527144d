"""Viewpoints: whose weights a step looks through, and what they are trained on."""
