"""What does a run leave behind? The set, every result, a summary, and one page for people."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.artifacts import StageRecord
from ddoq.evaluation.score import Result
from ddoq.recipe import Recipe
from ddoq.report import measures
from ddoq.report.files import summary, write_results, write_summary
from ddoq.report.heat import heat_maps
from ddoq.report.page import Gallery, write_page
from ddoq.report.points import describe_points
from ddoq.report.table import across, sheets
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


def write_report(
    run: "Run", folder: Path, results: Sequence[Result], sets: Sequence[SyntheticSet]
) -> None:
    """Show the tables and write `synthetic/`, `results.csv`, `summary.json`, `report.html`.

    The first set is the method's; the others stand beside it in the pictures.
    """
    split = run.recipe.evaluation.split
    name = run.recipe.data["name"] + ("" if split == "test" else " (validation)")
    tables = sheets(results, data=name, num_test_images=len(run.images.split(split)))
    if run.recipe.evaluation.across and len(tables) > 1:
        tables.append(across(results, data=name))
    maps = heat_maps(results)
    for table in [*tables, *maps]:
        run.console.show(table)
    protocols = [run.make("protocol", block) for block in run.recipe.protocols]
    found = measures.findings(results, protocols)
    # A difference from random images is in every table; what needs more than one is worth lines.
    told = [f for f in found if f.metric not in ("IOR", "gap", "gap, less random's")]
    if told:
        run.console.show(measures.table(told))
    if not run.world.is_first:
        return
    first = sets[0]
    for line in describe_points(first.provenance):
        run.console.say(line)
    certificates: list[dict[str, Any]] = first.provenance.get("certificates", [])
    costs = stage_costs(run.records)
    first.save(folder / "synthetic")
    write_results(folder, results)
    write_summary(
        folder,
        summary(
            results,
            stages=costs,
            certificates=certificates,
            findings=[f.plain() for f in found],
            recipe_name=run.recipe.name,
            set_info={
                "images": len(first),
                "fingerprint": first.fingerprint,
                **{k: first.provenance.get(k) for k in ("shrinkage", "advice", "study_seconds")},
            },
        ),
    )
    write_page(
        folder / "report.html",
        title=f"{run.recipe.name}, {_per_class(first.images_per_class)}",
        recipe_yaml=_without_places(run.recipe).yaml(),
        sheets=tables,
        maps=maps,
        pictures=_galleries(sets),
        stages=costs,
        certificates=certificates,
    )


def _without_places(recipe: Recipe) -> Recipe:
    """Return the recipe without what is only true on this machine."""
    data = {**recipe.data}
    if "root" in data:
        data["root"] = Path(data["root"]).name
    return replace(recipe, data=data, cache="...", out=None)


def _per_class(number: int) -> str:
    return "1 image per class" if number == 1 else f"{number} images per class"


def _galleries(sets: Sequence[SyntheticSet]) -> list[Gallery]:
    """Return one gallery per decoder: weights change no picture."""
    shown: dict[str, Gallery] = {}
    for s in sets:
        name = s.provenance.get("decoder", {}).get("name", s.provenance.get("distiller", "set"))
        gallery = Gallery(name, s.class_names, s.images, s.labels, s.weights)
        shown.setdefault(name, gallery)
    return list(shown.values())


def stage_costs(records: Sequence[StageRecord]) -> list[dict[str, Any]]:
    """Add up what each kind of stage cost; one that was used twice counts once."""
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
