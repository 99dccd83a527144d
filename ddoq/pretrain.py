"""Train the autoencoder, the prior and the teacher of a recipe on its own images.

`python -m ddoq.pretrain recipe=NAME [out=FOLDER]` writes `FOLDER/autoencoder`, `FOLDER/prior` and
`FOLDER/teacher`, whatever their sources in the recipe. `fit` trains only what is missing.
"""

import shutil
from functools import partial
from pathlib import Path

from ddoq import command, recipe
from ddoq.recipe.kinds import PRETRAINERS
from ddoq.recipe.roots import refuse_absent_root


def pretrain(invocation: recipe.Invocation) -> None:
    """Train all parts, as cached stages, and copy them to the user's folder."""
    wanted = invocation.recipe
    for part in PRETRAINERS:
        block = getattr(wanted, part)
        if "source" in block:
            block["source"] = "pretrain"
    # The recipe's components must be able to read what is trained.
    wanted = recipe.change(wanted, {})

    from ddoq.files.outputs import publish, refuse_foreign
    from ddoq.run import Run

    out = Path(wanted.out or f"checkpoints/{wanted.name}")
    for part in PRETRAINERS:
        refuse_foreign(out / part, f"pretrain/{part}")
    run = Run(wanted)
    for part in PRETRAINERS:
        if "source" not in getattr(wanted, part):
            run.console.say(f"{part}: {getattr(wanted, part)['name']} needs no training")
            continue
        trained = run.pretrained(part)
        if run.world.is_first:
            copy = partial(shutil.copytree, trained, dirs_exist_ok=True)
            publish(out / part, f"pretrain/{part}", copy)
        run.console.say(f"{part}: {out / part}")


def main(argv: list[str]) -> None:
    """Read the command line and train."""
    invocation = recipe.read(argv)
    refuse_absent_root(invocation.recipe)
    pretrain(invocation)


if __name__ == "__main__":
    command.run(main)
