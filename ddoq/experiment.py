"""The whole program: images to latents to points to a synthetic set to a table of accuracies."""

from dataclasses import dataclass, replace
from pathlib import Path

from ddoq import plan
from ddoq.display.console import Console
from ddoq.evaluation.curves import curves_of
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.missing import say_time, train_missing
from ddoq.evaluation.missing_sets import make_missing
from ddoq.evaluation.outlook import outlook, time_of_trainings
from ddoq.evaluation.results import Results
from ddoq.evaluation.rows import entries
from ddoq.evaluation.score import Row
from ddoq.evaluation.so_far import is_whole
from ddoq.files.license import told
from ddoq.files.outputs import refuse_foreign_run
from ddoq.pushforward.pushforward import push_forward
from ddoq.recipe import Invocation
from ddoq.report.folder import write_report
from ddoq.report.unfinished import leaving_results
from ddoq.report.verdict import verdicts
from ddoq.run import Run
from ddoq.run.refusals import refuse_run, refuse_tiles
from ddoq.synthetic import SyntheticSet


@dataclass(frozen=True)
class Outcome:
    """The outcome of a recipe."""

    folder: Path
    """The folder of the set, the results and the report."""
    results: Results


def experiment(
    invocation: Invocation,
    console: Console | None = None,
    *,
    says_time: bool = False,
) -> Outcome | None:
    """Run a recipe. A dry run only shows what it would do, and about how long that takes.

    The time of the trainings is said at the start; `says_time` asks for a better estimate, which
    is made once the sets are there.
    """
    wanted = invocation.recipe
    refuse_foreign_run(wanted.folder(invocation.digest))
    run = Run(wanted, console, makes=not invocation.dry_run)
    refuse_run(run)
    _refuse_rows(run)
    if invocation.dry_run:
        run.console.show(plan.table(plan.plan(run), "what this run would do"))
        run.console.tell(time_of_trainings(run))
        return None

    plan.pin(run)
    if licenses := told(run.licenses(plan.parts(run))):
        run.console.say(f"licenses: {licenses}")
    grid = Grid.of(run)
    _say_outlook(grid, says_trainings=not says_time)

    folder = run.open_folder(invocation.digest)
    make_missing(grid)
    sets = [grid.drawn(draw) for draw in grid.of_method]
    seconds = say_time(grid) if says_time else None
    with leaving_results(grid, folder):
        train_missing(grid, seconds)
        with run.console.stage("students", len(grid)) as bar:
            results = grid.results(bar.advance)
        sets = _chosen_first(grid, results, sets)
        write_report(run, folder, results, sets, push_forward(grid), curves_of(grid))
    run.console.say(f"report: {folder / 'report.html'}")
    return Outcome(folder, results)


def _chosen_first(grid: Grid, results: Results, sets: list[SyntheticSet]) -> list[SyntheticSet]:
    """Put the variant first that validation images chose: it is what the run's answer is about."""
    if not any(part.chosen for part in results.parts):
        return sets
    leading = replace(verdicts(results)[0].row, note="")
    firsts = [draw for draw in grid.draws if draw.number == 0]
    chosen = next(draw for draw in firsts if Row(**grid.labels(draw)) == leading)
    first = grid.drawn(chosen)
    return [first, *(one for one in sets if one.fingerprint != first.fingerprint)]


def _refuse_rows(run: Run) -> None:
    """Refuse, before any work, rows that cannot be made or measured."""
    for entry in entries(run.recipe):
        entry.made.refuse(run, run.seed)
        refuse_tiles(run, entry.made.hints(run))


def _say_outlook(grid: Grid, *, says_trainings: bool) -> None:
    """Say which classes are small, and how long missing weights take, or else the trainings."""
    run = grid.run
    if small := plan.small_classes(run):
        run.console.tell(f"images per class: {small}")
    missing = plan.training(run)
    if missing:
        run.console.show(plan.table(list(missing.values()), "weights to train first"))
        run.console.tell(outlook(run, list(missing)))
    elif says_trainings and (run.world.size > 1 or not is_whole(grid)):
        run.console.tell(time_of_trainings(run))
