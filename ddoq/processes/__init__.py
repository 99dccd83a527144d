"""Processes: ranks, how they agree and end, signals, forks, and memory."""
