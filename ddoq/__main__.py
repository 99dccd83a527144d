"""`python -m ddoq` lists the commands; `ddoq COMMAND ...` is `python -m ddoq.COMMAND ...`."""

import importlib
import sys

from ddoq import command
from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest

COMMANDS = {
    "fit": "distill, train students, compare: the whole program",
    "benchmark": "a grid of methods, sizes, students, protocols and seeds",
    "score": "score sets that others made, beside random images and all data",
    "encode": "encode a recipe's images into a store of latents",
    "pretrain": "train a recipe's autoencoder, prior and teacher",
    "export": "take a set away: folders, Parquet, WebDataset, tensors, or the Hub",
    "report": "one page of finished runs, beside each other",
    "theory": "check the claims of the theory, with plots",
    "ablate": "ablate the method: the gains of points, weights and shrinkage",
    "new": "start a student, distiller, source, guide or recipe of your own",
    "recipes": "list the recipes",
    "students": "list and search the networks that can be trained, or measure one",
}

# A command that is a folder, with the files that only it needs.
_FOLDERS = ("export", "report", "students")
_HELP = ("--help", "-h", "help")


def listing(argv: list[str]) -> None:
    """List all commands, or refuse what is none."""
    if argv and argv[0] not in _HELP:
        raise UsageError(
            f"there is no command {argv[0]!r}{nearest(argv[0], COMMANDS)}",
            f"use {', '.join(COMMANDS)}",
        )
    lines = [f"  ddoq {n:9} {text}" for n, text in COMMANDS.items()]
    lines += ["", "all take key=value; those that run a recipe take recipe=NAME, for example:"]
    lines += ["  ddoq fit recipe=digits distiller.images_per_class=10 dry_run=true"]
    lines += ["and each says more: ddoq fit --help"]
    sys.stdout.write("\n".join(lines) + "\n")


def chosen(argv: list[str]) -> tuple[command.Body, list[str]]:
    """Return the command that the first argument names, and the arguments that are left for it."""
    name, *rest = argv or ["help"]
    if name not in COMMANDS:
        return listing, ["help"] if name in _HELP else [name]
    home = f"{name}.command" if name in _FOLDERS else name
    return importlib.import_module(f"ddoq.{home}").main, rest


def main() -> None:
    """Run as the console script `ddoq`."""
    command.run(*chosen(sys.argv[1:]))


if __name__ == "__main__":
    main()
