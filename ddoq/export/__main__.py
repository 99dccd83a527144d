"""Run as `python -m ddoq.export`."""

from ddoq import command
from ddoq.export.command import main

if __name__ == "__main__":
    command.run(main)
