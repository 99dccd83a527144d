"""The study of a store: cross-validation of some of its classes, kept as JSON.

A study judges numbers of points and shrinkages. It costs several quantizations of each class that
it looks at, and records how long that took.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ddoq import keyed
from ddoq.data.latents import LatentStore, deal
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.processes.world import World
from ddoq.quantize.allocation import GainCurve
from ddoq.quantize.one_class import named, refuse_not_finite
from ddoq.quantize.shrinkage import STRENGTHS, Towards
from ddoq.quantize.solver import Solver
from ddoq.quantize.validation import Trial, cross_validate

_SERIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
# The grid of numbers of points ends at _REACH times the number that is asked for, and not before
# _LEAST_REACH.
_REACH, _LEAST_REACH = 2.5, 50


@dataclass(frozen=True)
class Study:
    """The trials of the classes that were looked at."""

    trials: dict[int, list[Trial]]
    seconds: float
    folds: int

    @classmethod
    def load(cls, folder: Path) -> "Study":
        """Read what `study` wrote."""
        found = read_json(folder / _FILE)
        trials = {int(c): [Trial(**t) for t in rows] for c, rows in found["trials"].items()}
        return cls(trials, found["seconds"], found["folds"])

    def strength(self, towards: Towards, num_points: int) -> float:
        """Return the strength that is best for most of the classes together.

        Each class counts by the ratio to its own unshrunk points. If this number of points was not
        tried, the nearest one that was is used.
        """
        ratios: dict[float, list[float]] = {}
        for rows in self.trials.values():
            near = min((t.num_points for t in rows), key=lambda k: abs(k - num_points))
            base = next(t for t in rows if (t.num_points, t.towards) == (near, "none"))
            for t in rows:
                if t.num_points == near and t.towards in (towards, "none"):
                    ratios.setdefault(t.strength, []).append(t.held_out / (base.held_out or 1))
        means = {s: sum(r) / len(r) for s, r in ratios.items()}
        return min(means, key=lambda s: (means[s], s), default=0.0)

    def trial(self, label: int, num_points: int, towards: Towards, strength: float) -> Trial | None:
        """Return one trial of a class, if it was made."""
        wanted = (num_points, towards if strength > 0 else "none", strength)
        rows = self.trials.get(label, [])
        return next((t for t in rows if (t.num_points, t.towards, t.strength) == wanted), None)

    def curve(self, label: int, towards: Towards = "none") -> GainCurve:
        """Return a class's held-out distortions, at the strength that is best for all classes."""
        numbers = sorted({t.num_points for t in self.trials.get(label, [])})
        strengths = {k: self.strength(towards, k) if towards != "none" else 0.0 for k in numbers}
        rows = [self.trial(label, k, towards, strengths[k]) for k in numbers]
        found = [t for t in rows if t is not None]
        return GainCurve(tuple(t.num_points for t in found), tuple(t.held_out for t in found))

    def curves(self, counts: Sequence[int], towards: Towards = "none") -> list[GainCurve]:
        """Return the curve of every class. A class too small to judge gets the mean curve."""
        means = self.means(towards)
        if not means:
            raise UsageError(
                "no class has enough latents to judge how a budget should be spread",
                "give distiller.images_per_class instead of distiller.budget",
            )
        typical = GainCurve(tuple(means), tuple(held_out for held_out, _ in means.values()))
        others = [typical if n > 1 else GainCurve((), ()) for n in counts]
        return [
            self.curve(label, towards) if label in self.trials else other
            for label, other in enumerate(others)
        ]

    def means(self, towards: Towards = "none") -> dict[int, tuple[float, float]]:
        """Return the mean held-out distortion and its standard error by number of points.

        Means are over the classes, at the best strength, for numbers that all classes were tried
        with.
        """
        best: dict[int, list[Trial]] = {}
        for rows in self.trials.values():
            for k in sorted({t.num_points for t in rows}):
                own = [t for t in rows if t.num_points == k and t.towards in (towards, "none")]
                best.setdefault(k, []).append(min(own, key=lambda t: t.held_out))
        num = len(self.trials)
        return {
            k: (
                sum(t.held_out for t in found) / num,
                sum(t.error**2 for t in found) ** 0.5 / num,
            )
            for k, found in best.items()
            if len(found) == num
        }

    def most_telling(self, towards: Towards = "none") -> int | None:
        """Return the number of points beyond which held-out latents come no closer.

        It is the smallest number that no larger one beats by more than a standard error, and None
        if that is the largest number that was tried.
        """
        means = self.means(towards)
        for k, (held_out, _) in means.items():
            later = [m + e for j, (m, e) in means.items() if j > k]
            if later and min(later) >= held_out:
                return k
        return None

    def advice(self) -> str:
        """Say in a sentence how many points the data can tell apart."""
        tried = list(self.means())
        if len(tried) < 2:
            return "too few latents per class to judge the number of points"
        plain, shrunk = self.most_telling(), self.most_telling("directions")
        if plain is None:
            return f"held-out latents still come closer at {tried[-1]} points per class"
        with_it = f"{shrunk}" if shrunk else f"more than {tried[-1]}"
        return (
            f"beyond {plain} points per class these data cannot tell the points apart "
            f"(with shrinkage: beyond {with_it})"
        )


_FILE = "study.json"


def grid(num_points: int) -> list[int]:
    """Return the numbers of points to try for one that is asked for.

    >>> grid(30)
    [1, 2, 5, 10, 20, 30, 50]
    """
    most = max(_LEAST_REACH, _REACH * num_points)
    return sorted({num_points, *(k for k in _SERIES if k <= most)})


def chosen(counts: Sequence[int], most: int, *, folds: int) -> list[int]:
    """Return at most `most` classes, evenly spaced among those large enough for the folds."""
    able = [c for c, n in enumerate(counts) if n >= 2 * folds]
    num = min(most, len(able))
    return [able[i * len(able) // num] for i in range(num)]


def study(
    store: LatentStore,
    solver: Solver,
    *,
    num_points: Sequence[int],
    labels: Sequence[int],
    folds: int,
    seed: int,
    work: Path,
    world: World,
    strengths: Sequence[float] = STRENGTHS,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Cross-validate classes, shared among the ranks; finished ones are not done again."""
    dealt = deal([store.counts[c] for c in labels], world.size)[world.rank]
    for label in (labels[i] for i in dealt):
        if not _part(work, label).exists():
            start = time.perf_counter()
            latents = store.latents(label).flatten(1)
            with named(label):
                refuse_not_finite(latents)
            generator = keyed.generator("study", seed, label)
            trials = cross_validate(
                latents, solver, num_points, folds=folds, generator=generator, strengths=strengths
            )
            seconds = time.perf_counter() - start
            found = {"seconds": seconds, "trials": [asdict(t) for t in trials]}
            write_json(_part(work, label), found)
        advance(world.size)
    world.barrier()
    if world.is_first:
        _join(work, labels, folds)
    world.barrier()


def _join(work: Path, labels: Sequence[int], folds: int) -> None:
    """Join the trials of all classes in one file."""
    parts = {label: read_json(_part(work, label)) for label in labels}
    trials = {label: p["trials"] for label, p in parts.items() if p["trials"]}
    seconds = sum(p["seconds"] for p in parts.values())
    write_json(work / _FILE, {"trials": trials, "seconds": seconds, "folds": folds})
    for label in labels:
        _part(work, label).unlink()


def _part(work: Path, label: int) -> Path:
    return work / f"study-{label:05d}.json"
