"""The whole program: images to latents to points to a synthetic set to a table of accuracies."""

from dataclasses import dataclass
from pathlib import Path

from ddoq import plan
from ddoq.display.console import Console
from ddoq.evaluation.curves import curves_of
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.missing import learn_missing, say_hours, train_missing
from ddoq.evaluation.outlook import minutes_of_trainings, outlook
from ddoq.evaluation.results import Results
from ddoq.evaluation.rows import entries
from ddoq.files.license import told
from ddoq.files.outputs import refuse_foreign_run
from ddoq.pushforward.pushforward import push_forward
from ddoq.recipe import Invocation
from ddoq.report.folder import write_report
from ddoq.run import Run
from ddoq.run.refusals import refuse_run


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
    says_hours: bool = False,
    says_minutes: bool = False,
) -> Outcome | None:
    """Run a recipe. A dry run only shows what it would do, and about how many minutes of it."""
    wanted = invocation.recipe
    refuse_foreign_run(wanted.folder(invocation.digest))
    run = Run(wanted, console, measures=not invocation.dry_run)
    refuse_run(run)
    for entry in entries(wanted):
        entry.made.refuse(run, run.seed)
    if invocation.dry_run:
        _show_plan(run, says_minutes=says_minutes)
        return None

    plan.pin(run)
    if licenses := told(run.licenses(plan.parts(run))):
        run.console.say(f"licenses: {licenses}")
    missing = plan.training(run)
    if missing:
        run.console.show(plan.table(list(missing.values()), "weights to train first"))
        run.console.say(outlook(run, list(missing)))

    folder = run.open_folder(invocation.digest)
    grid = Grid.of(run)
    learn_missing(grid)
    sets = [grid.drawn(draw) for draw in grid.of_method]
    if says_hours:
        say_hours(grid)
    train_missing(grid)
    with run.console.stage("students", len(grid)) as bar:
        results = grid.results(bar.advance)

    write_report(run, folder, results, sets, push_forward(grid), curves_of(grid))
    run.console.say(f"report: {folder / 'report.html'}")
    return Outcome(folder, results)


def _show_plan(run: Run, *, says_minutes: bool) -> None:
    run.console.show(plan.table(plan.plan(run), "what this run would do"))
    if says_minutes:
        run.console.say(minutes_of_trainings(run))
