"""Encode a recipe's training images into a `LatentStore`, for use by this program or any other."""

import shutil
from functools import partial
from pathlib import Path

from ddoq import command, recipe
from ddoq.recipe.roots import refuse_absent_root


def encode(invocation: recipe.Invocation) -> Path:
    """Return the folder of the store: `out`, or its place in the cache."""
    from ddoq.files.outputs import publish, refuse_foreign
    from ddoq.run import Run

    out = invocation.recipe.out
    if out:
        refuse_foreign(Path(out), "latents")
    run = Run(invocation.recipe)
    run.pin(["autoencoder"])
    store = run.latents
    folder = store.folder
    if out and run.world.is_first:
        folder = Path(out)
        publish(folder, "latents", partial(shutil.copytree, store.folder, dirs_exist_ok=True))
    shape = "x".join(map(str, store.shape))
    run.console.say(f"{sum(store.counts)} latents {shape} of {len(store.counts)} classes: {folder}")
    return folder


def main(argv: list[str]) -> None:
    """Read the command line and encode."""
    invocation = recipe.read(argv)
    refuse_absent_root(invocation.recipe)
    encode(invocation)


if __name__ == "__main__":
    command.run(main)
