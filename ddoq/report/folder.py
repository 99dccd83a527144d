"""The folder of a run: the set, every result, a summary, and one page for people."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.evaluation.results import Results
from ddoq.files.cache import StageRecord
from ddoq.files.places import without_places
from ddoq.pushforward.pushforward import PushForward
from ddoq.recipe import Recipe, from_plain
from ddoq.report import measures
from ddoq.report.answer import Answer, answer
from ddoq.report.files import summary, write_results, write_summary
from ddoq.report.heat import HeatMap, heat_maps
from ddoq.report.page import Gallery, write_page
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
) -> None:
    """Write `synthetic/`, `results.csv`, `summary.json` and `report.html`, and show the tables.

    The first set is the method's. The pictures show the others beside it.
    """
    tables, maps = _tables(run, results), heat_maps(results)
    protocols = [run.make("protocol", block) for block in run.recipe.protocols]
    found = measures.findings(results, protocols)
    if not run.world.is_first:
        return
    first, near = sets[0], pushed_sheet(pushed) if pushed else None
    told = answer(results, pushed.plain() if pushed else None)
    content = _content(run, results, first, found, pushed, told)
    first.save(folder / "synthetic")
    write_results(folder, results)
    write_summary(folder, content)
    write_page(
        folder / "report.html",
        title=f"{_titled(run.recipe)}, {_per_class(results)}",
        answer=told,
        recipe_yaml=_without_places(run.recipe).yaml(),
        sheets=tables,
        maps=maps,
        pictures=_galleries(sets) if run.images.modality == "image" else [],
        stages=content["stages"],
        certificates=content["certificates"],
        pushed=near,
    )
    _show(run, [*tables, *maps], found, near)
    for line in describe_points(first.provenance):
        run.console.say(line)
    run.console.show(told)


def _content(
    run: "Run",
    results: Results,
    first: SyntheticSet,
    found: Sequence[measures.Finding],
    pushed: PushForward | None,
    told: Answer,
) -> dict[str, Any]:
    """Return what `summary.json` holds."""
    return summary(
        results,
        stages=stage_costs(run.records),
        certificates=first.provenance.get("certificates", []),
        findings=[f.plain() for f in found],
        pushforward=pushed.plain() if pushed else None,
        recipe_name=run.recipe.name,
        set_info=_about(first),
        answer=told.plain(),
    )


def _tables(run: "Run", results: Results) -> list[Sheet]:
    """Return a sheet per protocol and teacher and, if asked for, one over all."""
    settings = run.recipe.evaluation
    name = _named(run.recipe) + ("" if settings.split == "test" else " (validation)")
    num_images = len(run.images.split(settings.split))
    tables = sheets(results, data=name, num_test_images=num_images)
    is_across = settings.across and len(tables) > 1
    return [*tables, across(results, data=name)] if is_across else tables


def _titled(recipe: Recipe) -> str:
    """Return the recipe's name and, if it has one, the folder of its images."""
    root = recipe.data.get("root")
    return f"{recipe.name} {Path(root).name}" if root else recipe.name


def _named(recipe: Recipe) -> str:
    root = recipe.data.get("root")
    return f"{recipe.data['name']} {Path(root).name}" if root else recipe.data["name"]


def _show(
    run: "Run",
    shown: Sequence[Sheet | HeatMap],
    found: Sequence[measures.Finding],
    near: PushedSheet | None,
) -> None:
    for one in shown:
        run.console.show(one)
    # Every table shows the difference from random images; metrics over several tables get lines.
    told = [f for f in found if f.metric not in ("IOR", "gap", "gap, less random's")]
    if told:
        run.console.show(measures.table(told))
    if near:
        run.console.show(near)


def _about(synthetic: SyntheticSet) -> dict[str, Any]:
    told = ("shrinkage", "advice", "study_seconds")
    return {
        "images": len(synthetic),
        "fingerprint": synthetic.fingerprint,
        **{k: synthetic.provenance.get(k) for k in told},
    }


def _without_places(recipe: Recipe) -> Recipe:
    """Return the recipe without paths of this machine."""
    plain = without_places(asdict(recipe))
    if "root" in plain["data"]:
        plain["data"]["root"] = Path(plain["data"]["root"]).name
    return from_plain(plain)


def _per_class(results: Results) -> str:
    """Name the sizes of the sets. Full data have no size."""
    sizes = [str(n) for n in dict.fromkeys(r.images_per_class for r in results) if n > 0]
    listed = " and ".join([", ".join(sizes[:-1]), sizes[-1]] if len(sizes) > 1 else sizes)
    return f"{listed or 'all'} {'image' if sizes == ['1'] else 'images'} per class"


def _galleries(sets: Sequence[SyntheticSet]) -> list[Gallery]:
    """Return one gallery per decoder, as weights do not change the pictures."""
    shown: dict[str, Gallery] = {}
    for s in sets:
        name = s.provenance.get("decoder", {}).get("name", s.provenance.get("distiller", "set"))
        gallery = Gallery(name, s.class_names, s.images, s.labels, s.weights)
        shown.setdefault(name, gallery)
    return list(shown.values())


def stage_costs(records: Sequence[StageRecord]) -> list[dict[str, Any]]:
    """Add up the costs of each kind of stage. A stage that was used twice counts once."""
    first = {(r.stage, r.fingerprint): r for r in reversed(records)}
    names = dict.fromkeys(r.stage for r in records)
    costs: list[dict[str, Any]] = []
    for name in names:
        own = [r for (stage, _), r in first.items() if stage == name]
        hits = sum(r.cached for r in own)
        costs.append(
            {
                "stage": name if len(own) == 1 else f"{name} x {len(own)}",
                "seconds": sum(asdict(r)["seconds"] for r in own),
                "peak_memory_mb": max(r.peak_memory_mb for r in own),
                "cached": hits == len(own),
                "cache_hits": hits,
                "runs": len(own),
            }
        )
    return costs
