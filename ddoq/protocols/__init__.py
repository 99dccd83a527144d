"""Protocols: the settings that must be equal for two trainings' numbers to be comparable."""
