"""Learned sets: the loop that moves synthetic images by gradient, and what it is made of."""
