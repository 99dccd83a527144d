"""Run one part: `python -m benchmarks.pipeline rates|together ...`."""

import importlib

from ddoq import command
from ddoq.errors import UsageError

PARTS = ("rates", "together")


def main(argv: list[str]) -> None:
    """Run the part that the first argument names."""
    part = argv[0] if argv else ""
    if part not in PARTS:
        raise UsageError(f"no part {part!r}", f"choose one of {', '.join(PARTS)}")
    importlib.import_module(f"benchmarks.pipeline.{part}").main(argv[1:])


if __name__ == "__main__":
    command.run(main)
