"""The public functions: distill, evaluate, compare, load."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import recipe as recipes
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.display.console import Console
    from ddoq.evaluation.results import Results


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
    from ddoq.plan import pin
    from ddoq.run import Run

    wanted = recipes.read([f"recipe={recipe}", *overrides], changes=changes).recipe
    run = Run(wanted, _console())
    pin(run)
    return Grid.of(run).drawn(Draw(0, 0))


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
    synthetic: SyntheticSet,
    *,
    recipe: str = "digits",
    students: Sequence[Any] | None = None,
    protocol: Any = None,
    seeds: int = 3,
    overrides: Sequence[str] = (),
    **changes: Any,
) -> "Results":
    """Train students on a set and measure them on a recipe's real test images.

    The recipe gives the test images, the teacher and the baselines. The set is compared with as
    many random images and with all data, unless `baselines=[]`. Any set of the same classes is
    accepted.

    >>> import ddoq
    >>> small = ddoq.distill("digits", decoder="plain")
    >>> student = {"name": "convnet", "depth": 2, "width": 8}
    >>> how = {"protocol": "small_hard", "seeds": 2, "baselines": ["random"]}
    >>> results = ddoq.evaluate(small, students=[student], **how)
    >>> [r.distiller for r in results], all(r.top1 > 0.4 for r in results)
    (['ddoq', 'ddoq', 'random', 'random'], True)
    """
    from ddoq.evaluation.grid import Grid, tables_of
    from ddoq.evaluation.rows import beside, given_entry
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
    mine = synthetic.for_classes(run.images.class_ids)
    rows = [given_entry(mine, seeds, len(wanted.students)), *beside(wanted, mine)]
    return Grid(run, rows, tables_of(run), wanted.students, wanted.seed).results()


def _console() -> "Console":
    """Return a console on standard error, as a library's messages are not its result."""
    from rich.console import Console as Terminal

    from ddoq.display.console import Console
    from ddoq.display.outlet import Outlet

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
