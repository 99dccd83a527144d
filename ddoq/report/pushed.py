"""The table of the push-forward: one row for each set, one line for the meaning of each column."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from ddoq.display.narrow import IfWide
from ddoq.evaluation.score import ABSENT
from ddoq.pushforward.distance import Distance
from ddoq.pushforward.figures import NEIGHBORS
from ddoq.pushforward.memorization import Nearness
from ddoq.pushforward.pushforward import Pushed, PushForward


@dataclass(frozen=True)
class Column:
    """A column: its header, the meaning of its cells, and the text of a set's cell."""

    header: str
    """Broken into lines at spaces."""
    meaning: str
    text: Callable[[Pushed], str]

    @property
    def word(self) -> str:
        """The header without hyphenation."""
        return self.header.replace("- ", "")


@dataclass(frozen=True)
class PushedSheet:
    """The figures of all sets: what the terminal and the page both show."""

    title: str
    headers: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    meanings: tuple[str, ...]
    """A line for each column, and for each figure that was left out."""

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show the table, or where else it stands if it is wider than the terminal."""
        words = [header.replace("- ", "") for header in self.headers[1:]]
        instead = f"\n{self.title}: in the report ({', '.join(words)})"
        yield IfWide(self.title, _table(self), instead)
        yield Text("What these columns mean: docs/metrics.md, and the report", style="dim")


def _table(sheet: PushedSheet) -> Table:
    shown = Table(box=box.HORIZONTALS, show_edge=False, padding=0)
    for number, header in enumerate(sheet.headers):
        shown.add_column(
            header.replace(" ", "\n"), justify="right" if number else "left", vertical="bottom"
        )
    for line in sheet.lines:
        shown.add_row(*map(Text, line))
    return shown


def pushed_sheet(pushed: PushForward) -> PushedSheet:
    """Lay out the figures of all sets. Columns without any figure are left out."""
    sets = pushed.sets
    columns = [c for c in _columns(pushed) if any(c.text(s) != ABSENT for s in sets)]
    sizes = dict.fromkeys(s.row.images_per_class for s in sets)
    several = len(sizes) > 1
    lines = [
        (
            s.row.name,
            *([str(s.row.images_per_class)] if several else []),
            *(c.text(s) for c in columns),
        )
        for s in sets
    ]
    size = "" if several else f", {next(iter(sizes))} per class"
    seeds = ", ".join(map(str, dict.fromkeys(s.seed for s in sets)))
    return PushedSheet(
        f"how near the images are to real ones: one set of each row{size}, seed {seeds}",
        ("set", *(["ipc"] if several else []), *(c.header for c in columns)),
        tuple(lines),
        (*(f"{c.word}: {c.meaning}" for c in columns), *_left_out(pushed)),
    )


def _left_out(pushed: PushForward) -> list[str]:
    """Say which figures of small sets are left out, and why."""
    said: list[str] = []
    if pushed.extractor:
        if any(s.figures.kid is None for s in pushed.sets):
            said.append("KID is left out of sets with one image of a class: it compares pairs")
        if any(s.figures.recall is None for s in pushed.sets):
            said.append(
                f"recall is left out of sets with {NEIGHBORS} images of a class or fewer: their "
                "neighbors are of other classes"
            )
    told = (f"halves of {s.row.name} are not compared: {s.left_out}" for s in pushed.sets)
    return [*said, *dict.fromkeys(t for t, s in zip(told, pushed.sets, strict=True) if s.left_out)]


def _columns(pushed: PushForward) -> list[Column]:
    return [*_in_latents(), *_in_features(pushed.extractor), *_of_images(pushed)]


def _in_latents() -> list[Column]:
    return [
        Column(
            "W2 points",
            "from a class's latents to its points and masses, mean over classes",
            lambda s: _distance(s.w2_points),
        ),
        Column(
            "W2 images",
            "from a class's latents to the images, encoded again, with their weights",
            lambda s: _distance(s.figures.w2_weights),
        ),
        Column("W2 equal", "with equal weights instead", lambda s: _distance(s.figures.w2_uniform)),
    ]


def _in_features(features: str) -> list[Column]:
    return [
        Column("KID", f"from training images, in {features}; ± standard error", _kid),
        Column("FID", f"from training images, in {features}", lambda s: _number(s.figures.fid)),
        Column(
            "preci- sion",
            f"share of images within reach of real ones, {NEIGHBORS} neighbors, {features}",
            lambda s: _number(s.figures.precision),
        ),
        Column(
            "recall",
            "share of real images within reach of the set's; few images reach far",
            lambda s: _number(s.figures.recall),
        ),
    ]


def _of_images(pushed: PushForward) -> list[Column]:
    split = pushed.split
    real = ABSENT if pushed.in_class is None else f"{100 * pushed.in_class:.1f} %"
    return [
        Column(
            "in class",
            f"share that the teacher puts in its class; {real} of {split} images",
            lambda s: _share(s.figures.in_class),
        ),
        Column(
            "nearest pixels",
            f"median distance to the nearest training image, relative to that of {split} "
            f"images (share as near as the nearest 1 % of {split} images)",
            lambda s: _nearness(s.figures.pixels),
        ),
        Column(
            "nearest features", f"in {pushed.extractor}", lambda s: _nearness(s.figures.features)
        ),
        Column(
            "halves",
            f"accuracy of {pushed.student}, hard labels, from one half of the set to the other "
            "(from half to half of as many random real images)",
            _halves,
        ),
    ]


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.0f}%"


def _distance(distance: Distance | None) -> str:
    if distance is None:
        return ABSENT
    low, high = (f"{bound:#.3g}".rstrip(".") for bound in (distance.lower, distance.upper))
    return low if low == high else f"{low}-{high}"


def _kid(pushed: Pushed) -> str:
    found = pushed.figures.kid
    if found is None:
        return ABSENT
    return f"{found.value:.2g} ± " + ("?" if found.error is None else f"{found.error:.1g}")


def _nearness(found: Nearness | None) -> str:
    if found is None:
        return ABSENT
    ratio = "?" if found.ratio is None else f"{found.ratio:.2f}"
    return f"{ratio} ({_share(found.share)})"


def _halves(pushed: Pushed) -> str:
    found = pushed.redundancy
    if found is None:
        return ABSENT
    return f"{100 * found.synthetic:.1f} ({100 * found.random:.1f})"
