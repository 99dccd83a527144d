"""The whole program: images to latents to points to a synthetic set to a table of accuracies."""

from pathlib import Path

from ddoq import plan
from ddoq.evaluation.grid import draw, fill, tables
from ddoq.evaluation.rows import entries
from ddoq.evaluation.workers import say_hours, train_in_parallel
from ddoq.files.outputs import refuse_foreign_run
from ddoq.recipe import Invocation
from ddoq.report.folder import write_report
from ddoq.run import Run
from ddoq.run.refusals import refuse_run


def experiment(invocation: Invocation, *, says_hours: bool = False) -> Path:
    """Run a recipe and return its folder: the set, the results, the report."""
    wanted = invocation.recipe
    refuse_foreign_run(wanted.folder(invocation.digest))
    run = Run(wanted, measures=not invocation.dry_run)
    refuse_run(run)
    if invocation.dry_run:
        run.console.show(plan.table(plan.plan(run), "what this run would do"))
        return Path()

    plan.pin(run)
    missing = plan.training(run)
    if missing:
        title = "weights to train first; the time left is shown as soon as it is known"
        run.console.show(plan.table(missing, title))

    folder = run.open_folder(invocation.digest)
    rows = entries(wanted)
    sets = [draw(run, e, 0) for e in rows if e.distiller == rows[0].distiller]

    total = len(tables(run)) * sum(e.num_seeds * e.num_students for e in rows)
    if says_hours:
        say_hours(run)
    train_in_parallel(run)
    with run.console.stage("students", total) as bar:
        results = [r for table in tables(run) for r in fill(run, rows, table, bar)]

    write_report(run, folder, results, sets)
    run.console.say(f"report: {folder / 'report.html'}")
    return folder
