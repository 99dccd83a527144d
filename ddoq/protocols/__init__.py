"""Protocols: what must be equal in two trainings for their numbers to be comparable."""
