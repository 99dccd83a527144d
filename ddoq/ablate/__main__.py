"""Run as `python -m ddoq.ablate`."""

from ddoq import command
from ddoq.ablate.command import main

if __name__ == "__main__":
    command.run(main)
