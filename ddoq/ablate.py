"""Run `benchmarks.ablate`, an experiment of a source checkout, as `python -m ddoq.ablate`."""

from ddoq import command


def main(argv: list[str]) -> None:
    """Pass the command line to the experiment."""
    command.from_checkout("ablate")(argv)


if __name__ == "__main__":
    command.run(main)
