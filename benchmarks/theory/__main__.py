"""Run as `python -m benchmarks.theory`."""

from benchmarks.theory.command import main
from ddoq import command

if __name__ == "__main__":
    command.run(main)
