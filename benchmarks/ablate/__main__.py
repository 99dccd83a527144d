"""Run as `python -m benchmarks.ablate`."""

from benchmarks.ablate.command import main
from ddoq import command

if __name__ == "__main__":
    command.run(main)
