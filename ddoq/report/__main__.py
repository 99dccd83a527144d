"""Run as `python -m ddoq.report`."""

from ddoq import command
from ddoq.report.command import main

if __name__ == "__main__":
    command.run(main)
