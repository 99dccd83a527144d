"""The folder of a run: the set, every result, a summary, and one page for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from ddoq.evaluation.curves import TrainingCurve
from ddoq.evaluation.results import Results
from ddoq.files.artifacts import write_json
from ddoq.pushforward.pushforward import PushForward
from ddoq.report import measures, set_costs
from ddoq.report.answer import answer
from ddoq.report.content import content_of, shown_data
from ddoq.report.costs import stage_costs
from ddoq.report.files import summary, write_results, write_summary
from ddoq.report.finished import ASKED, CONTENT, FinishedRun
from ddoq.report.heat import HeatMap, heat_maps
from ddoq.report.page import write_page
from ddoq.report.points import describe_points
from ddoq.report.pushed import PushedSheet, pushed_sheet
from ddoq.report.table import Sheet, across, sheets
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


def write_report(
    run: "Run",
    folder: Path,
    results: Results,
    sets: Sequence[SyntheticSet],
    pushed: PushForward | None = None,
    curves: Sequence[TrainingCurve] = (),
) -> None:
    """Write `synthetic/`, `results.csv`, `summary.json`, `report.json` and `report.html`.

    The first set is the method's. The pictures show the others beside it. The tables are shown too,
    and the answer in words below them.
    """
    protocols = [run.make("protocol", block) for block in run.recipe.protocols]
    found = measures.findings(results, protocols)
    content = content_of(run, results, sets, pushed, curves)
    if not run.world.is_first:
        return
    first, near = sets[0], pushed_sheet(pushed) if pushed else None
    first.save(folder / "synthetic")
    write_results(folder, results)
    told = _summary(run, results, first, found, pushed)
    in_words = answer(results, *(told[key] for key in ASKED))
    write_summary(folder, {**told, "answer": in_words.plain()})
    write_json(folder / CONTENT, content)
    write_page(folder / "report.html", [FinishedRun.read(folder)])
    costs = set_costs.shown(set_costs.set_costs(results))
    _show(run, [*_tables(run, results), *heat_maps(results)], found, near, costs)
    # A scored set may bring along what was once said of its points.
    if "read" not in first.provenance:
        for line in describe_points(first.provenance):
            run.console.tell(line)
    run.console.show(in_words)


def _summary(
    run: "Run",
    results: Results,
    first: SyntheticSet,
    found: Sequence[measures.Finding],
    pushed: PushForward | None,
) -> dict[str, Any]:
    """Return what `summary.json` holds."""
    whole = summary(
        results,
        stages=stage_costs(run.records),
        certificates=first.provenance.get("certificates", []),
        findings=[f.plain() for f in found],
        pushforward=pushed.plain() if pushed else None,
        recipe_name=run.recipe.name,
        set_info=_about(first),
    )
    split = run.recipe.evaluation.split
    return {
        **whole,
        "smallest_class": int(run.images.counts.min()),
        "split": split,
        "num_test_images": len(run.images.split(split)),
        "test_share": run.recipe.data.get("test_share") if split == "test" else None,
    }


def _tables(run: "Run", results: Results) -> list[Sheet]:
    """Return a sheet per protocol and teacher and, if asked for, one over all."""
    settings = run.recipe.evaluation
    name = shown_data(run.recipe)
    num_images = len(run.images.split(settings.split))
    tables = sheets(results, data=name, num_test_images=num_images, split=settings.split)
    is_across = settings.across and len(tables) > 1
    return [*tables, across(results, data=name)] if is_across else tables


def _show(
    run: "Run",
    shown: Sequence[Sheet | HeatMap],
    found: Sequence[measures.Finding],
    near: PushedSheet | None,
    costs: RenderableType | None,
) -> None:
    for one in shown:
        run.console.show(one)
    # Every table shows the difference from random images; metrics over several tables get lines.
    told = [f for f in found if f.metric not in ("IOR", "gap", "gap, less random's")]
    if told:
        run.console.show(measures.shown(told))
    if near:
        run.console.show(near)
    if costs:
        run.console.show(costs)


def _about(synthetic: SyntheticSet) -> dict[str, Any]:
    told = ("shrinkage", "advice", "study_seconds", "points_in")
    return {
        "images": len(synthetic),
        "fingerprint": synthetic.fingerprint,
        **{k: synthetic.provenance.get(k) for k in told},
    }
