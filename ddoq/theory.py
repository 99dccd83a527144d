"""Run `benchmarks.theory`, an experiment of a source checkout, as `python -m ddoq.theory`."""

from ddoq import command


def main(argv: list[str]) -> None:
    """Pass the command line to the experiment."""
    command.from_checkout("theory")(argv)


if __name__ == "__main__":
    command.run(main)
