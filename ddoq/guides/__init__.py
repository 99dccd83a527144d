"""Guides, which draw images towards points while a prior makes them."""
