"""`python -m ddoq` lists the commands; `ddoq COMMAND ...` is `python -m ddoq.COMMAND ...`."""

import importlib
import sys

from ddoq import command
from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest

COMMANDS = {
    "fit": "distill, train students, compare: the whole program",
    "benchmark": "a grid of methods, sizes, students, protocols and seeds",
    "encode": "encode a recipe's images into a store of latents",
    "pretrain": "train a recipe's autoencoder, prior and teacher",
    "report": "one page of finished runs, beside each other",
    "theory": "check the claims of the theory, with plots",
    "ablate": "ablate the method: the gains of points, weights and shrinkage",
    "recipes": "list the recipes",
    "students": "list and search the networks that can be trained, or measure one",
}

# A command that is a folder, with the files that only it needs.
_FOLDERS = ("report", "students")


def dispatch(argv: list[str]) -> None:
    """Run the command that the first argument names, or list them all."""
    name = argv[0] if argv else "--help"
    if name in ("--help", "-h", "help"):
        lines = [f"  ddoq {n:9} {text}" for n, text in COMMANDS.items()]
        lines += ["", "all take key=value; those that run a recipe take recipe=NAME, for example:"]
        lines += ["  ddoq fit recipe=digits distiller.images_per_class=10 dry_run=true"]
        sys.stdout.write("\n".join(lines) + "\n")
        return
    if name not in COMMANDS:
        raise UsageError(
            f"there is no command {name!r}{nearest(name, COMMANDS)}", f"use {', '.join(COMMANDS)}"
        )
    home = f"{name}.command" if name in _FOLDERS else name
    importlib.import_module(f"ddoq.{home}").main(argv[1:])


def main() -> None:
    """Run as the console script `ddoq`."""
    command.run(dispatch)


if __name__ == "__main__":
    main()
