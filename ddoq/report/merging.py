"""Results of several runs in one table, where they may be compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.report.finished import FinishedRun

# What must be equal, by the names under which `report.json` has it, in words.
_MUST_AGREE = {
    "images": "other images, or in another form",
    "split": "another split to measure on",
    "teachers": "other teachers",
    "students": "other students",
    "training": "other devices, ranks or precision",
}


@dataclass(frozen=True)
class Merged:
    """Runs that may be compared, and their results together."""

    names: tuple[str, ...]
    results: Results
    data: str
    num_test_images: int
    split: str | None


def merged(runs: Sequence[FinishedRun]) -> list[Merged]:
    """Return the groups of two runs or more that were measured alike."""
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        known = run.content.get("comparable")
        if known:
            groups.setdefault(repr(sorted(known.items())), []).append(run)
    return [_merged(group) for group in groups.values() if len(group) > 1]


def differences(runs: Sequence[FinishedRun]) -> list[str]:
    """Say why runs are not in one table, one line for each run that differs from the first."""
    first, *rest = runs
    return [f"{run.name}: {why}" for run in rest if (why := _differs(first, run))]


def _differs(first: FinishedRun, other: FinishedRun) -> str:
    ours, theirs = (run.content.get("comparable") for run in (first, other))
    if not ours or not theirs:
        return "it is not known whether it was measured alike, as an older version made it"
    wrong = [words for key, words in _MUST_AGREE.items() if ours.get(key) != theirs.get(key)]
    return f"{', '.join(wrong)} than {first.name}" if wrong else ""


def _merged(runs: Sequence[FinishedRun]) -> Merged:
    first = runs[0]
    results = Results(_united(runs))
    names = tuple(run.name for run in runs)
    number, split = int(first.content.get("num_test_images", 0)), first.summary.get("split")
    return Merged(names, results, first.data, number, split)


def _united(runs: Sequence[FinishedRun]) -> Iterator[Result]:
    """Yield each training once. Rows that differ between runs say which run they are of."""
    owners: dict[Any, dict[Any, float]] = {}
    clashing: set[Any] = set()
    for run in runs:
        for result in run.results:
            known = owners.setdefault(result.row, {})
            if known.setdefault(_training(result), result.top1) != result.top1:
                clashing.add(result.row)
    others = _made_otherwise(runs)
    seen: set[Any] = set()
    for run in runs:
        for result in run.results:
            is_other = result.row in clashing or _method(vars(result)) in others
            if is_other and not result.is_quoted:
                note = ", ".join(filter(None, (result.note, run.name)))
                yield replace(result, note=note)
            elif _training(result) not in seen:
                seen.add(_training(result))
                yield result


def _made_otherwise(runs: Sequence[FinishedRun]) -> set[tuple[str, ...]]:
    """Return the methods that have other settings or weights in some runs than in others."""
    keys: dict[tuple[str, ...], set[str]] = {}
    for run in runs:
        for row in run.content.get("rows", ()):
            keys.setdefault(_method(row), set()).add(row["key"])
    return {method for method, known in keys.items() if len(known) > 1}


def _method(labels: Mapping[str, str]) -> tuple[str, ...]:
    return labels["distiller"], labels["weighting"], labels["decoder"]


def _training(result: Result) -> Any:
    return result.protocol, result.teacher, result.row, result.student, result.seed
