"""Encode a recipe's training images into a `LatentStore`, for use by this program or any other."""

import shutil
from pathlib import Path

from ddoq import command, recipe


def encode(invocation: recipe.Invocation) -> Path:
    """Return the folder of the store: `out`, or its place in the cache."""
    from ddoq.artifacts import commit
    from ddoq.run import Run

    run = Run(invocation.recipe)
    run.pin(["autoencoder"])
    store = run.latents
    folder = store.folder
    if invocation.recipe.out and run.world.is_first:
        folder = Path(invocation.recipe.out)
        work = folder.with_name(f".{folder.name}.work")
        shutil.copytree(store.folder, work, dirs_exist_ok=True)
        commit(work, folder)
    shape = "x".join(map(str, store.shape))
    run.console.say(f"{sum(store.counts)} latents {shape} of {len(store.counts)} classes: {folder}")
    return folder


def main(argv: list[str]) -> None:
    """Read the command line and encode."""
    encode(recipe.read(argv))


if __name__ == "__main__":
    command.run(main)
