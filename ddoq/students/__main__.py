"""Run as `python -m ddoq.students`."""

from ddoq import command
from ddoq.students.command import main

if __name__ == "__main__":
    command.run(main)
