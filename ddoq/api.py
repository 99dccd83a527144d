"""The public functions: distill, evaluate, compare, load."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import recipe as recipes
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.display.console import Console
    from ddoq.evaluation.grid import Grid
    from ddoq.evaluation.results import Results
    from ddoq.evaluation.rows import Entry
    from ddoq.run import Run

# A set's file or folder, or that with what is said of it.
Place = str | Path | Mapping[str, Any]


def distill(recipe: str = "digits", *overrides: str, **changes: Any) -> SyntheticSet:
    """Return the synthetic set of a recipe. Finished stages are read from the cache.

    Change the recipe by overrides as on the command line, or by keywords: keys of the recipe, keys
    of `evaluation`, or settings of its distiller.

    >>> import ddoq
    >>> small = ddoq.distill("digits", decoder="plain", images_per_class=2)
    >>> len(small), small.class_names[:3], round(float(small.weights.sum()), 6)
    (20, ('0', '1', '2'), 20.0)
    """
    from ddoq.evaluation.grid import Draw, Grid
    from ddoq.evaluation.missing_sets import learn_missing
    from ddoq.plan import pin, small_classes
    from ddoq.run import Run
    from ddoq.run.decoders import refuse_decoder

    wanted = recipes.read([f"recipe={recipe}", *overrides], changes=changes).recipe
    run = Run(wanted, _console())
    refuse_decoder(run, wanted.decoder)
    pin(run)
    if small := small_classes(run):
        run.console.tell(f"images per class: {small}")
    grid, first = Grid.of(run), Draw(0, 0)
    grid.rows[0].made.refuse(run, run.seed)
    learn_missing(grid, [first])
    return grid.drawn(first)


def compare(recipe: str = "digits", *overrides: str, **changes: Any) -> "Results":
    """Do what `python -m ddoq.fit` does, and return all results. The report is written to `out`.

    Sets, students, protocols and seeds are the recipe's, changed as for `distill`. Give a student
    of your own as its class, a name, or a dict.

    >>> import ddoq
    >>> student = {"name": "convnet", "depth": 1, "width": 4}
    >>> quick = {"decoder": "plain", "decoders": [], "baselines": ["random"], "seeds": 2}
    >>> results = ddoq.compare("digits", student=student, protocol="small_hard", **quick)
    >>> [row.distiller for row in results.only.rows]
    ['ddoq', 'random']
    """
    from ddoq.experiment import experiment

    invocation = recipes.read([f"recipe={recipe}", *overrides], changes=changes)
    outcome = experiment(dataclasses.replace(invocation, dry_run=False), _console())
    assert outcome is not None
    return outcome.results


def evaluate(
    synthetic: "SyntheticSet | Place | Sequence[SyntheticSet | Place]",
    *,
    recipe: str = "digits",
    students: Sequence[Any] | None = None,
    protocol: Any = None,
    seeds: int = 3,
    overrides: Sequence[str] = (),
    **changes: Any,
) -> "Results":
    """Train students on one or more sets and measure them on a recipe's real test images.

    A set is in memory, or a file or folder, or `{"path": ..., "name": ..., "normalized": ...}` with
    what is said of it (docs/score.md). The recipe gives the test images, the teacher and the
    baselines. Each set is compared with as many random images and with all data, unless
    `baselines=[]`. Sets in memory must have the recipe's classes.

    >>> import ddoq
    >>> small = ddoq.distill("digits", decoder="plain")
    >>> student = {"name": "convnet", "depth": 2, "width": 8}
    >>> how = {"protocol": "small_hard", "seeds": 2, "baselines": ["random"]}
    >>> results = ddoq.evaluate(small, students=[student], **how)
    >>> [r.distiller for r in results], all(r.top1 > 0.4 for r in results)
    (['ddoq', 'ddoq', 'random', 'random'], True)
    """
    from ddoq.evaluation.missing_sets import make_missing
    from ddoq.plan import pin
    from ddoq.run import Run
    from ddoq.run.refusals import refuse_run

    # If ranks call this, they train each student together.
    given = {"students": students, "protocol": protocol, "seeds": seeds, "spread": "processes"}
    changes |= {k: v for k, v in given.items() if v is not None}
    wanted = recipes.read([f"recipe={recipe}", *overrides], changes=changes).recipe
    run = Run(wanted, _console())
    refuse_run(run)
    pin(run)
    grid = _grid(run, [_opened(run, one) for one in _listed(synthetic)])
    make_missing(grid)
    return grid.results()


def _listed(synthetic: Any) -> list[Any]:
    is_one = isinstance(synthetic, SyntheticSet | str | Path | Mapping)
    return [synthetic] if is_one else list(synthetic)


def _grid(run: "Run", sets: Sequence[SyntheticSet]) -> "Grid":
    """Return the grid of a row for each set and the baselines of all, if these can be made."""
    from ddoq.evaluation.given_rows import beside, given_entry
    from ddoq.evaluation.grid import Grid, tables_of

    recipe, number = run.recipe, len(run.recipe.students)
    rows = _told_apart([given_entry(s, recipe.evaluation.seeds, number) for s in sets])
    baselines = [row for s in sets for row in beside(recipe, s)]
    for row in baselines:
        row.made.refuse(run, run.seed)
    rows += [b for place, b in enumerate(baselines) if b not in baselines[:place]]
    return Grid(run, rows, tables_of(run), recipe.students, recipe.seed)


def _opened(run: "Run", one: Any) -> SyntheticSet:
    """Return a set with the classes of a run, read from its files if need be."""
    from ddoq.distillers.given import given_set, refuse_copies
    from ddoq.formats.told import Told

    if isinstance(one, SyntheticSet):
        if run.images.modality == "image":
            refuse_copies(run, one)
        return one.for_classes(run.images.class_ids)
    said = dict(one) if isinstance(one, Mapping) else {"path": one}
    path, name = Path(said.pop("path")), str(said.pop("name", ""))
    return given_set(run, path, Told.of(said), name)


def _told_apart(rows: "list[Entry]") -> "list[Entry]":
    """Number the rows that have the name of an earlier one."""
    names = [row.labels["distiller"] for row in rows]
    numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [
        row if number == 1 else dataclasses.replace(row, name=f"{name} {number}")
        for row, name, number in zip(rows, names, numbers, strict=True)
    ]


def _console() -> "Console":
    """Return a console on standard error, as a library's messages are not its result."""
    from rich.console import Console as Terminal

    from ddoq.display.console import Console
    from ddoq.display.outlet import Outlet

    stream: Any = Outlet(sys.stderr)
    return Console(terminal=Terminal(file=stream))


def load(path: str | Path, *, recipe: str | None = None, **said: Any) -> SyntheticSet:
    """Load a set: a run's `synthetic/` folder, the run's folder itself, or a set of others.

    What the files of others do not say is a keyword, such as `normalized=[-1, 1]` (docs/score.md).
    With a recipe, the set gets the classes of its data, and is checked against its real images.

    >>> import ddoq, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ddoq.distill("digits", "decoder=plain").save(f"{folder}/synthetic")
    ...     len(ddoq.load(folder))
    10
    """
    from ddoq.formats.fitting import opened_set
    from ddoq.formats.told import Told

    if recipe is None:
        return opened_set(Path(path), Told.of(said))
    from ddoq.run import Run

    wanted = recipes.read([f"recipe={recipe}"]).recipe
    return _opened(Run(wanted, _console()), {"path": path, **said})
