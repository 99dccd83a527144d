"""A result, a score over seeds, and the comparison of two rows.

Intervals are Student's: mean ± t(0.975, n - 1) s / √n over seeds ("The probable error of a mean",
1908). Differences are paired by seed. Their p values are corrected over a table by Holm's step-down
method ("A simple sequentially rejective multiple test procedure", 1979). Accuracies are fractions;
texts show percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean, stdev
from typing import Literal

ABSENT = "-"
# Rows that others are compared with, and the note of a number that was published elsewhere.
RANDOM, FULL, QUOTED = "random", "full", "quoted"
LEVEL = 0.95
# A spread of accuracies below this is the rounding of float32. One test image of 50,000 is 2e-5.
_NO_SPREAD = 1e-6


@dataclass(frozen=True)
class Row:
    """What one row of a results table describes."""

    distiller: str
    images_per_class: int
    weighting: str = ABSENT
    decoder: str = ABSENT
    note: str = ""

    @property
    def is_quoted(self) -> bool:
        """Whether the row's numbers were published elsewhere."""
        return self.note == QUOTED

    @property
    def is_reference(self) -> bool:
        """Whether the row is of real data: random images, or all data."""
        return self.distiller in (RANDOM, FULL)

    @property
    def name(self) -> str:
        """The row in words, without its size."""
        details = [d for d in (self.weighting, self.decoder, self.note) if d not in ("", ABSENT)]
        return f"{self.distiller} ({', '.join(details)})" if details else self.distiller


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training run: a tidy row of `results.csv`."""

    distiller: str
    images_per_class: int
    weighting: str = ABSENT
    decoder: str = ABSENT
    teacher: str = ABSENT
    student: str
    protocol: str
    seed: int
    top1: float
    top5: float
    loss: float
    seconds: float
    peak_memory_mb: float
    labels: str
    set_seed: int
    """The number of the set's draw that the student was trained on."""
    note: str = ""
    """For example `same updates`, or `quoted`."""
    reported: str = "last"
    """Which state `top1` is of: the last, the best on test images, or the running mean."""
    uses_hints: str = ""
    """The hints that the protocol takes from the set, for example `lr`."""
    last_top1: float = nan
    best_top1: float = nan
    val_top1: float = nan
    """The accuracy on validation images, if variants are chosen by them."""
    ece: float = nan
    """Expected calibration error."""
    label_bytes: float = nan
    """Bytes of stored soft labels per image."""
    set_bytes: float = nan
    """Bytes of the set's images and of all stored labels."""
    set_seconds: float = nan
    """Seconds of the stages that the set stands on, whenever they were made."""
    of_class: tuple[float, ...] = ()
    """The accuracy on each class, in the order of classes."""
    read: str = ""
    """What was done to a given set, for example `[-1,1] undone, classes by ids`."""

    @property
    def is_quoted(self) -> bool:
        """Whether the number was published elsewhere."""
        return self.note == QUOTED

    @property
    def row(self) -> Row:
        """The row of a table that this run belongs to."""
        parts = self.distiller, self.images_per_class, self.weighting, self.decoder, self.note
        return Row(*parts)


@dataclass(frozen=True)
class Score:
    """The mean of some runs, with its 95 % interval and every value behind it."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a score needs at least one value")

    @property
    def n(self) -> int:
        """The number of runs."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over the runs."""
        return fmean(self.values)

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % Student-t interval; None for a single run, which has none."""
        if self.n == 1:
            return None
        from scipy.special import stdtrit

        return float(stdtrit(self.n - 1, (1 + LEVEL) / 2)) * stdev(self.values) / self.n**0.5

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the 95 % interval; None for a single run."""
        half = self.half_width
        return None if half is None else (self.mean - half, self.mean + half)

    @property
    def text(self) -> str:
        """The score in percent: `96.0 ± 0.4`, or `98.1 (n=1)`."""
        return f"{100 * self.mean:.1f} {self.margin}"

    @property
    def signed(self) -> str:
        """The score as a difference, in percentage points: `+2.0 ± 0.4`."""
        return f"{signed_points(self.mean)} {self.margin}"

    @property
    def margin(self) -> str:
        """What follows the mean: `± 0.4`, or `(n=1)`."""
        half = self.half_width
        return "(n=1)" if half is None else f"± {100 * half:.1f}"


def signed_points(value: float) -> str:
    """Return a difference in percentage points, whose zero has no sign.

    >>> signed_points(0.02), signed_points(-0.0001)
    ('+2.0', '0.0')
    """
    text = f"{100 * value:+.1f}"
    return "0.0" if float(text) == 0 else text


@dataclass(frozen=True)
class Comparison:
    """How much better one row is than another, paired over their common seeds.

    With fewer than two seeds, or if all differences are equal, their spread is unknown. There is
    no p value then, the verdict is undecided, and Holm's correction does not count the pair.
    """

    a: Row
    b: Row
    difference: Score
    p: float | None
    adjusted: float | None = None
    """The p value after Holm's correction over the table."""

    @property
    def verdict(self) -> Literal["better", "worse", "undecided"]:
        """Whether the 95 % interval of the difference lies above 0, below it, or around it."""
        interval = self.difference.interval
        if self.p is None or interval is None or interval[0] <= 0 <= interval[1]:
            return "undecided"
        return "better" if interval[0] > 0 else "worse"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for multiple comparisons, by Holm's step-down method.

    The i-th smallest of m, counted from 0, is multiplied by m - i. Their order is preserved.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def p_value(differences: Sequence[float]) -> float | None:
    """Return the two-sided p value of the paired t test, or None if there is no spread."""
    if len(differences) < 2 or stdev(differences) < _NO_SPREAD:
        return None
    from scipy.special import stdtr

    n = len(differences)
    t = fmean(differences) * n**0.5 / stdev(differences)
    return 2 * float(stdtr(n - 1, -abs(t)))
