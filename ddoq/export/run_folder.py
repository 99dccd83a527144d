"""The run that a set comes from: its recipe, results and summary, as far as they are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import YAMLError, safe_load

from ddoq.errors import DataError
from ddoq.evaluation.results import Part, Results
from ddoq.evaluation.score import FULL, RANDOM, Row, Score
from ddoq.files.artifacts import read_json
from ddoq.files.outputs import hint_at_runs
from ddoq.report.files import read_results
from ddoq.synthetic import SyntheticSet


@dataclass(frozen=True)
class RunFolder:
    """What a run's folder says of its set. A set that was saved alone has an empty origin."""

    recipe_file: Path | None
    recipe: Mapping[str, Any]
    results: Results
    summary: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the data: that of the recipe."""
        return str(self.recipe.get("name", "images")).rpartition("/")[2]

    def lead(self, part: Part, synthetic: SyntheticSet) -> Row | None:
        """Return the row of the set in a table: the first one of its size."""
        rows = [r.row for r in part.ours if r.distiller != FULL]
        sized = [row for row in rows if row.images_per_class == synthetic.images_per_class]
        return sized[0] if sized else None

    def scores(self, synthetic: SyntheticSet) -> list[tuple[Part, str, dict[str, Score | None]]]:
        """Return, per table and student, the scores of the set, of random images and of all."""
        found: list[tuple[Part, str, dict[str, Score | None]]] = []
        for part in self.results.of_first_teacher:
            lead = self.lead(part, synthetic)
            if lead is None:
                continue
            beside = part.references(lead)
            rows = {"set": lead, **{k: beside[k] for k in (RANDOM, FULL) if k in beside}}
            for student in part.students:
                own = {k: part.score(row, student) for k, row in rows.items()}
                if own["set"]:
                    found.append((part, student, own))
        return found

    def nearness(self, synthetic: SyntheticSet) -> dict[str, Mapping[str, float | None]]:
        """Return how near the images come to training images, in pixels and in features."""
        measured = (self.summary.get("pushforward") or {}).get("sets", [])
        for part in self.results.parts:
            lead = self.lead(part, synthetic)
            for one in measured:
                keys = ("distiller", "images_per_class", "weighting", "decoder")
                if lead and all(one[k] == getattr(lead, k) for k in keys):
                    return {k: one[k] for k in ("pixels", "features") if one.get(k)}
        return {}


def find(place: Path) -> tuple[SyntheticSet, RunFolder]:
    """Return the set of a run's folder, of its `synthetic/`, or of any folder, and its run."""
    if not place.is_dir():
        raise DataError(
            f"{place}: there is no such folder",
            "give a run's folder, such as checkpoints/runs/digits/..., or that of a saved set",
        )
    inner = place / "synthetic"
    if not inner.is_dir() and not (place / "set.json").is_file():
        raise DataError(
            f"{place} holds no synthetic set",
            hint_at_runs(
                place, "synthetic/set.json", "give a run's folder, or that of a saved set"
            ),
        )
    synthetic = SyntheticSet.load(inner if inner.is_dir() else place)
    resolved = place.resolve()
    home = place if inner.is_dir() else resolved.parent if resolved.name == "synthetic" else None
    return synthetic, _origin(home)


def _origin(home: Path | None) -> RunFolder:
    """Return what a run's folder holds. What is missing is empty."""
    recipe, summary, results = {}, {}, Results([])
    file = home / "recipe.yaml" if home else None
    if file and file.is_file():
        recipe = _mapping(file, lambda f: safe_load(f.read_text(encoding="utf-8")) or {})
    if home and (home / "summary.json").is_file():
        summary = _mapping(home / "summary.json", read_json)
    if home and (home / "results.csv").is_file():
        results = read_results(home)
    return RunFolder(file if recipe else None, recipe, results, summary)


def _mapping(file: Path, read: Callable[[Path], Any]) -> Mapping[str, Any]:
    try:
        return {**read(file)}
    except (ValueError, TypeError, YAMLError, RecursionError) as error:
        raise DataError(
            f"{file}: it cannot be read: {str(error).splitlines()[0]}",
            f"restore it, or export {file.parent / 'synthetic'} from a copy without it",
        ) from error
