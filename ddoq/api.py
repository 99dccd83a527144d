"""What do the commands call, from Python? Distill, evaluate, load."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import recipe as recipes
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.console import Console
    from ddoq.evaluation.score import Result
    from ddoq.recipe import Recipe
    from ddoq.recipe.component import Block


def distill(recipe: str = "digits", *overrides: str) -> SyntheticSet:
    """Return the synthetic set of a recipe, from the cache where its stages are finished.

    >>> import ddoq
    >>> small = ddoq.distill("digits", "decoder=plain", "distiller.images_per_class=2")
    >>> len(small), small.class_names[:3], round(float(small.weights.sum()), 6)
    (20, ('0', '1', '2'), 20.0)
    """
    from ddoq.evaluation.grid import draw
    from ddoq.evaluation.rows import entries
    from ddoq.plan import pin
    from ddoq.run import Run

    wanted = recipes.read([f"recipe={recipe}", *overrides]).recipe
    run = Run(wanted, _console())
    pin(run)
    return draw(run, entries(wanted)[0], 0)


def evaluate(
    synthetic: SyntheticSet,
    *,
    recipe: str = "digits",
    students: Sequence["str | Block"] | None = None,
    protocol: str | None = None,
    seeds: int = 3,
    overrides: Sequence[str] = (),
) -> list["Result"]:
    """Train students on a set and measure them on a recipe's real test images.

    The recipe gives the test images and the teacher; any set of the same classes will do.

    >>> import ddoq
    >>> small = ddoq.distill("digits", "decoder=plain")
    >>> student = {"name": "convnet", "depth": 2, "width": 8}
    >>> results = ddoq.evaluate(small, students=[student], protocol="small_hard", seeds=2)
    >>> [r.student for r in results], all(r.top1 > 0.5 for r in results)
    (['convnet', 'convnet'], True)
    """
    from ddoq.evaluation.cell import Cell
    from ddoq.evaluation.grid import result_of
    from ddoq.evaluation.rows import foreign_entry, student_name
    from ddoq.run import Run

    changes: dict[str, Any] = {}
    if students is not None:
        changes["students"] = list(students)
    if protocol is not None:
        changes["protocols"] = [protocol]
    wanted = _together(recipes.read([f"recipe={recipe}", *overrides]).recipe, changes)
    run = Run(wanted, _console())
    entry = foreign_entry(synthetic, wanted)
    protocol_used = run.make("protocol", wanted.protocols[0])
    mine = synthetic.for_classes(run.images.class_ids)
    return [
        result_of(run, entry, Cell(mine, block, protocol_used, seed), student_name(wanted, block))
        for seed in range(wanted.seed, wanted.seed + seeds)
        for block in wanted.students
    ]


def _together(recipe: "Recipe", changes: dict[str, Any]) -> "Recipe":
    """Change a recipe so that ranks which call `evaluate` train each student together."""
    changed = recipes.change(recipe, changes)
    evaluation = dataclasses.replace(changed.evaluation, spread="processes")
    return dataclasses.replace(changed, evaluation=evaluation)


def _console() -> "Console":
    """Speak on standard error: what a library prints is not its result."""
    from rich.console import Console as Terminal

    from ddoq.console import Console
    from ddoq.outlet import Outlet

    stream: Any = Outlet(sys.stderr)
    return Console(terminal=Terminal(file=stream))


def load(folder: str | Path) -> SyntheticSet:
    """Load a saved set: a run's `synthetic/` folder, or the run's folder itself.

    >>> import ddoq, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ddoq.distill("digits", "decoder=plain").save(f"{folder}/synthetic")
    ...     len(ddoq.load(folder))
    10
    """
    inner = Path(folder) / "synthetic"
    return SyntheticSet.load(inner if inner.is_dir() else folder)
