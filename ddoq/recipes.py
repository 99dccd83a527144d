"""List the recipes, each with the first line of its header."""

import sys

from ddoq import command, recipe
from ddoq.errors import UsageError


def main(argv: list[str]) -> None:
    """Print every shipped recipe."""
    if argv:
        raise UsageError(
            f"recipes takes no arguments, got {argv}", "write `python -m ddoq.recipes`"
        )
    listed = recipe.names()
    width = max(map(len, listed), default=0)
    sys.stdout.writelines(f"{name:{width}}  {line}\n" for name, line in listed.items())


if __name__ == "__main__":
    command.run(main)
