"""Processes: ranks and how they agree and end, signals, forks, memory."""
