"""The files of a run for other programs: `results.csv` and `summary.json`."""

import csv
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

from ddoq.errors import DataError
from ddoq.evaluation.results import Part, Results
from ddoq.evaluation.score import ABSENT, Comparison, Result, Score
from ddoq.files.artifacts import replacing, write_json
from ddoq.report.comparisons import in_words

RESULTS = "results.csv"
_FIELDS = {f.name: f for f in dataclasses.fields(Result)}
# The first columns, in this order. The other fields of a result follow.
_FIRST = (
    *("distiller", "images_per_class", "weighting", "decoder", "teacher", "student", "protocol"),
    *("seed", "top1", "top5", "loss", "seconds", "peak_memory_mb"),
)
_COLUMNS = (*_FIRST, *(name for name in _FIELDS if name not in _FIRST))
# A spreadsheet takes a cell with such a beginning for a formula.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_results(folder: Path, results: Iterable[Result], name: str = RESULTS) -> None:
    """Write `results.csv` (RFC 4180): one run per row, accuracies as fractions.

    Strings that a spreadsheet would run as formulas get a leading apostrophe.
    """
    with (
        replacing(folder / name) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        rows = csv.writer(stream)
        rows.writerow(_COLUMNS)
        rows.writerows([_escaped(getattr(r, c)) for c in _COLUMNS] for r in results)


def read_results(folder: Path, name: str = RESULTS) -> Results:
    """Read what `write_results` wrote."""
    file = folder / name
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        return Results(_result(row, f"{file}, line {reader.line_num}") for row in reader)


def _escaped(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(map(repr, value))
    if isinstance(value, str) and value != ABSENT and _FORMULA.match(value):
        return f"'{value}"
    return value


def _result(row: Mapping[str, str], place: str) -> Result:
    try:
        known = {n: f for n, f in _FIELDS.items() if n in row or f.default is dataclasses.MISSING}
        return Result(**{name: _parsed(field.type, row[name]) for name, field in known.items()})
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{place} is no result ({type(error).__name__}: {error})",
            f"its columns are {', '.join(_COLUMNS)}",
        ) from error


def _parsed(kind: Any, cell: str) -> Any:
    if kind == tuple[float, ...]:
        return tuple(map(float, cell.split()))
    if kind is not str:
        # Results share one NaN object for what was not measured, so equal results compare equal.
        return nan if cell == "nan" else kind(cell)
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_summary(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `summary.json`."""
    write_json(folder / "summary.json", content)


def summary(
    results: Results,
    *,
    stages: Sequence[Mapping[str, Any]],
    certificates: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]] = (),
    pushforward: Mapping[str, Any] | None = None,
    recipe_name: str,
    set_info: Mapping[str, Any],
) -> dict[str, Any]:
    """Collect a run's scores, comparisons, costs and certificates as plain data."""
    parts = results.parts
    return {
        "recipe": recipe_name,
        "set": dict(set_info),
        "groups": [group for part in parts for group in _groups(part)],
        "means": [mean for part in parts for mean in _means(part)],
        "comparisons": [{**_place(p), **_comparison(c)} for p in parts for c in p.comparisons],
        "chosen": [
            {**_place(p), **dataclasses.asdict(row)} for p in parts for row in p.chosen.values()
        ],
        "metrics": [dict(finding) for finding in findings],
        "pushforward": dict(pushforward) if pushforward else None,
        "stages": [dict(stage) for stage in stages],
        "certificates": [dict(certificate) for certificate in certificates],
    }


def _place(part: Part) -> dict[str, str]:
    return {"protocol": part.protocol, "teacher": part.teacher}


def _groups(part: Part) -> list[dict[str, Any]]:
    pairs = [(row, student) for row in part.rows for student in part.students]
    return [
        {
            **_place(part),
            **dataclasses.asdict(row),
            "student": student,
            **_score(score),
            **_details(part.of(row, student)),
        }
        for row, student in pairs
        if (score := part.score(row, student))
    ]


def _details(runs: Sequence[Result]) -> dict[str, Any]:
    """Return the means over seeds of the other measurements; quoted numbers have none."""
    accuracies = ("top5", "ece", "val_top1", "last_top1", "best_top1")
    costs = ("label_bytes", "set_bytes", "set_seconds", "seconds")
    means = {name: fmean(getattr(r, name) for r in runs) for name in (*accuracies, *costs)}
    means["top1_per_second"] = fmean(r.top1 / r.seconds if r.seconds else nan for r in runs)
    means["top1_per_megabyte"] = fmean(1e6 * r.top1 / r.set_bytes for r in runs)
    known = {k: v for k, v in means.items() if not isnan(v)}
    of_class = [fmean(column) for column in zip(*(r.of_class for r in runs), strict=True)]
    return known | ({"of_class": of_class} if of_class else {})


def _means(part: Part) -> list[dict[str, Any]]:
    return [
        {
            **_place(part),
            **dataclasses.asdict(row),
            "students": [s for s in part.students if part.of(row, s)],
            **_score(score),
        }
        for row in part.rows
        if (score := part.mean(row))
    ]


def _score(score: Score) -> dict[str, Any]:
    interval = score.interval
    return {
        "mean": score.mean,
        "half_width": score.half_width,
        "interval": list(interval) if interval else None,
        "n": score.n,
        "values": list(score.values),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "a": dataclasses.asdict(comparison.a),
        "b": dataclasses.asdict(comparison.b),
        "difference": _score(comparison.difference),
        "p": comparison.p,
        "p_holm": comparison.adjusted,
        "verdict": comparison.verdict,
        "words": in_words(comparison),
    }
