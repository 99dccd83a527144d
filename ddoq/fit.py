"""Distill, train students, compare: a whole recipe.

python -m ddoq.fit recipe=NAME [key=value ...] [dry_run=true]
"""

from ddoq import command, recipe


def main(argv: list[str]) -> None:
    """Read the command line and run."""
    invocation = recipe.read(argv)

    from ddoq.experiment import experiment

    experiment(invocation)


if __name__ == "__main__":
    command.run(main)
