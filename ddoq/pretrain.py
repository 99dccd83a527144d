"""Train the autoencoder, the prior and the teacher of a recipe on its own images.

`python -m ddoq.pretrain recipe=NAME [out=FOLDER]` writes `FOLDER/autoencoder`, `FOLDER/prior` and
`FOLDER/teacher`, whatever the recipe says of their sources; `fit` does the same for what is
missing.
"""

import shutil
from pathlib import Path

from ddoq import command, recipe
from ddoq.kinds import PRETRAINERS


def pretrain(invocation: recipe.Invocation) -> None:
    """Train all parts, as cached stages, and copy them to where the user wants them."""
    wanted = invocation.recipe
    for part in PRETRAINERS:
        block = getattr(wanted, part)
        if "source" in block:
            block["source"] = "pretrain"

    from ddoq.artifacts import commit
    from ddoq.run import Run

    run = Run(wanted)
    out = Path(wanted.out or f"checkpoints/{wanted.name}")
    for part in PRETRAINERS:
        if "source" not in getattr(wanted, part):
            run.console.say(f"{part}: {getattr(wanted, part)['name']} needs no training")
            continue
        trained = run.pretrained(part)
        if run.world.is_first:
            work = out / f".{part}.work"
            shutil.copytree(trained, work, dirs_exist_ok=True)
            commit(work, out / part)
        run.console.say(f"{part}: {out / part}")


def main(argv: list[str]) -> None:
    """Read the command line and train."""
    pretrain(recipe.read(argv))


if __name__ == "__main__":
    command.run(main)
