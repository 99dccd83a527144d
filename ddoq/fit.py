"""Distill, train students, compare: a whole recipe.

    python -m ddoq.fit recipe=NAME [key=value ...] [dry_run=true]

For example:

    python -m ddoq.fit recipe=digits
    python -m ddoq.fit recipe=digits distiller.images_per_class=10 protocol=small_hard
    python -m ddoq.fit recipe=imagefolder data.root=FOLDER student=timm/resnet18

It writes the set, every result and a page with pictures to checkpoints/runs/NAME, or to out=FOLDER.
Called again, it goes on where it stopped.
"""

from ddoq import command, recipe
from ddoq.recipe.roots import refuse_absent_root


def main(argv: list[str]) -> None:
    """Read the command line and run."""
    invocation = recipe.read(argv)
    refuse_absent_root(invocation.recipe)

    from ddoq.experiment import experiment

    experiment(invocation)


if __name__ == "__main__":
    command.run(main)
