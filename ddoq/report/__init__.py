"""The report of a run: terminal, CSV, JSON and one offline page."""
