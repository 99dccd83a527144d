"""A grid of methods, sizes, students, protocols, teachers and seeds.

python -m ddoq.benchmark recipe=NAME [distillers=[...]] [students=[...]] [images_per_class=[...]]
[protocols=[...]] [decoders=[...]] [weightings=[...]] [teachers=[...]] [seeds=N]
[key=value ...]
"""

import dataclasses
from typing import Any

from ddoq import command, recipe
from ddoq.errors import UsageError
from ddoq.evaluation.rows import sized
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.roots import refuse_absent_root
from ddoq.recipe.settings import complete

# The axes of the grid, by their names on the command line.
_AXES = (
    *("distillers", "images_per_class", "decoders", "weightings", "teachers", "baselines"),
    "seeds",
)


def with_methods(wanted: recipe.Recipe) -> recipe.Recipe:
    """Return a recipe whose methods are only those of `evaluation.distillers`.

    The bare name of the recipe's own distiller stands for that distiller with its settings.
    """
    own, methods = wanted.distiller, list(wanted.evaluation.distillers)
    if not methods:
        return wanted
    bare: Any = complete(KINDS, "distiller", own["name"])
    methods = [own if m in (bare, own) else m for m in methods]
    if own not in methods:
        methods[0] = sized(methods[0], own, None)
    lead = own if own in methods else methods[0]
    if "budget" not in lead and own.get("budget") is not None:
        raise UsageError(
            f"{lead['name']} cannot spread a budget of {own['budget']} images",
            "set images_per_class, or leave the budget out",
        )
    rest = [m for m in methods if m != lead]
    settings = dataclasses.replace(wanted.evaluation, distillers=rest)
    return dataclasses.replace(wanted, distiller=lead, evaluation=settings)


def main(argv: list[str]) -> None:
    """Read the axes and the recipe, print how long it will take, and run the grid."""
    invocation = recipe.read(argv, short={axis: f"evaluation.{axis}" for axis in _AXES})
    refuse_absent_root(invocation.recipe)
    asked = with_methods(invocation.recipe)

    from ddoq.experiment import experiment

    experiment(dataclasses.replace(invocation, recipe=asked), says_time=True)


if __name__ == "__main__":
    command.run(main)
