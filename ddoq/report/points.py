"""The lines about the points that stand before the accuracies."""

from collections.abc import Iterable, Mapping
from typing import Any


def describe_points(provenance: Mapping[str, Any]) -> list[str]:
    """Return the means of a set's certificates over its classes, and what its study says."""
    rows = provenance.get("certificates") or []
    if not rows:
        return []
    held = [r for r in rows if r.get("held_out_distortion") is not None]
    near = f"{_mean(r['distortion'] for r in held or rows):.4g}"
    latents = certified(provenance)
    parts = [f"mean squared distance (distortion) of the {latents} that they stand for {near}"]
    if held:
        number = _mean(r["held_out_distortion"] for r in held)
        parts.append(f"of latents held out {number:.4g} ({_classes(len(held))})")
    even = _mean(r["effective_share"] for r in rows)
    parts.append(f"evenness of their masses (effective share) {even:.2f} of 1")
    shrinkage = provenance.get("shrinkage") or {}
    if shrinkage.get("strength"):
        parts.append(f"shrunk towards {shrinkage['towards']} by {shrinkage['strength']:g}")
    for what in ("empty_cells", "duplicates"):
        total = sum(r.get(what, 0) for r in rows)
        if total:
            parts.append(f"{total} {what.replace('_', ' ')}")
    lines = [f"points: {', '.join(parts)}"]
    advice = provenance.get("advice")
    # Students may gain from points that bring latents no closer.
    told = f"number of points, by distance alone and not by accuracy: {advice}"
    return [*lines, told] if advice else lines


def certified(about: Mapping[str, Any]) -> str:
    """Return what the certificates of a set are about."""
    return "inverted latents" if about.get("points_in") == "inverted" else "latents"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _classes(num: int) -> str:
    return "1 class" if num == 1 else f"{num} classes"
