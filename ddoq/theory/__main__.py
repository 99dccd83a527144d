"""Run as `python -m ddoq.theory`."""

from ddoq import command
from ddoq.theory.command import main

if __name__ == "__main__":
    command.run(main)
