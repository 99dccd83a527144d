"""What does a person see? A table per number of points, and one of the latents' spectra."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from benchmarks.ablate.candidates import SHRINKAGES, WEIGHTINGS
from benchmarks.ablate.figures import figure, mean
from benchmarks.ablate.means import Means
from benchmarks.ablate.spectrum import Spectrum, average


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn; the first columns are words, the others numbers."""

    title: str
    headers: tuple[str, ...]
    short: tuple[str, ...]
    """Headers where the terminal is narrow; the title says what they leave out."""
    lines: tuple[tuple[str, ...], ...]
    num_words: int

    def markdown(self) -> str:
        """Draw it in Markdown."""
        rules = ["---"] * self.num_words + ["---:"] * (len(self.headers) - self.num_words)
        rows = [self.headers, tuple(rules), *self.lines]
        drawn = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return f"### {self.title}\n\n{drawn}\n"

    def rich(self) -> Table:
        """Draw it for the terminal."""
        made = Table(box=box.HORIZONTALS, show_edge=False, padding=0, title=self.title)
        for i, header in enumerate(self.short):
            is_word = i < self.num_words
            made.add_column(header, justify="left" if is_word else "right", no_wrap=is_word)
        for before, line in zip((None, *self.lines), self.lines, strict=False):
            if before and before[0] != line[0]:
                made.add_section()
            made.add_row(*line)
        return made


def points_grid(averages: Means, num_points: int, solvers: Sequence[str]) -> Grid:
    """Return the table of one number of points: solvers and shrinkages."""
    headers = ("solver", "shrinkage", "in-sample distortion", "held-out distortion")
    headers += tuple(f"held-out W2², {name}" for name in WEIGHTINGS)
    headers += ("effective share", "seconds", "MB")
    short = ("solver", "shrinkage", "in-sample", "held-out", *WEIGHTINGS, "share", "s", "MB")
    lines = [
        (solver, towards, *_figures(averages, num_points, solver, towards))
        for solver in solvers
        for towards in SHRINKAGES
    ]
    title = f"K = {num_points}: distortion in-sample and held-out; held-out W2² by weighting"
    return Grid(title, headers, short, tuple(lines), num_words=2)


def spectrum_grid(spectra: Sequence[Spectrum]) -> Grid:
    """Return the table of the latents' variances, class by class and on average."""
    headers = ("class", "latents", "dimension", "variance", "effective dimension")
    headers += ("directions of 50 %", "90 %", "99 %")
    short = ("class", "latents", "dim", "variance", "effective", "50 %", "90 %", "99 %")
    lines = [_spectrum_line(s.class_name, average([s])) for s in spectra]
    lines.append(_spectrum_line("mean", average(spectra)))
    title = "Spectrum: variance, effective dimension, directions that hold 50, 90, 99 % of it"
    return Grid(title, headers, short, tuple(lines), num_words=1)


def _figures(averages: Means, num_points: int, solver: str, towards: str) -> list[str]:
    by_mass = averages[num_points, solver, towards, "mass"]
    distances = [averages[num_points, solver, towards, name]["w2_held_out"] for name in WEIGHTINGS]
    return [
        mean(by_mass["distortion_fit"]),
        mean(by_mass["distortion_held_out"]),
        *map(mean, distances),
        mean(by_mass["effective_share"], 3),
        mean(by_mass["seconds"], 2),
        mean(by_mass["peak_memory_mb"], 2),
    ]


def _spectrum_line(name: str, numbers: dict[str, float]) -> tuple[str, ...]:
    columns = ("num_latents", "dim", "variance", "effective_dimension")
    columns += ("directions_50", "directions_90", "directions_99")
    return (name, *(_plain(numbers[column]) for column in columns))


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else figure(number)
