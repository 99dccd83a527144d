"""Run the parts that are asked for: `python -m benchmarks.gpu out=FOLDER [minutes=9] [parts=...]`.

    python -m benchmarks.gpu out=first minutes=9 data=FOLDER
    python -m benchmarks.gpu out=second minutes=3 parts=quantizer,dit,students,imagenette

It runs from a checkout, with its folder and whatever packages are missing on PYTHONPATH. `data` is
a folder of CIFAR-10 in Parquet files, `work` a folder to keep what parts make for one another,
`scale=0.01` the same program at about a hundredth of its size. The exit code is 0 if all parts are
done and 1 otherwise; none of them keeps another from its turn.
"""

import sys

from benchmarks.gpu.program import Options, run
from ddoq import command
from ddoq.recipe import arguments


def main(argv: list[str]) -> None:
    """Read the command line and run."""
    asked = arguments.read(Options, argv, "python -m benchmarks.gpu")
    sys.exit(0 if run(asked) else 1)


if __name__ == "__main__":
    command.run(main)
