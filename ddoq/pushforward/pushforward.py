"""The push-forward of a run, measured: the figures of every set of its table."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.score import Row
from ddoq.pushforward.distance import Distance
from ddoq.pushforward.figures import Figures, figures_of
from ddoq.pushforward.halves import Redundancy, as_many, cut, redundancy, too_few
from ddoq.pushforward.judge import judge_of
from ddoq.pushforward.real import real_of
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


@dataclass(frozen=True)
class Pushed:
    """What is known of the first set of a row."""

    row: Row
    seed: int
    images: int
    w2_points: Distance | None
    """W2 of the quantizer's points and masses, if the set was made from points among latents."""
    figures: Figures
    redundancy: Redundancy | None = None
    left_out: str = ""
    """Why halves of the set were not compared, although the recipe asks for it."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        nested = {"row", "figures"}
        own = {k: v for k, v in asdict(self).items() if k not in nested}
        return {**asdict(self.row), **own, **asdict(self.figures)}


@dataclass(frozen=True)
class PushForward:
    """The figures of all sets, and of the real images beside them."""

    sets: tuple[Pushed, ...]
    split: str
    """The split that held-out real images are of."""
    extractor: str = ""
    """The name of the features; empty if there are none."""
    in_class: float | None = None
    """The share of held-out real images that the teacher puts in their class."""
    student: str = ""
    """The student that halves were compared with."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        own = {k: getattr(self, k) for k in ("extractor", "split", "student")}
        return {**own, "real_in_class": self.in_class, "sets": [p.plain() for p in self.sets]}


def push_forward(grid: Grid) -> PushForward | None:
    """Measure the first set of each row but those of all data, or none if that is not asked for."""
    run, settings = grid.run, grid.run.recipe.evaluation
    draws = [d for d in grid.draws if d.number == 0 and not keeps_all(grid, d)]
    if not draws or not is_wanted(run):
        return None
    judge = judge_of(run, is_used=any(t.protocol.labels == "soft" for t in grid.tables))
    real = real_of(run, judge)
    encodes = any("autoencoder" in grid.rows[d.row].made.parts(run) for d in draws)
    found: list[Pushed] = []
    for draw in draws:
        synthetic = grid.drawn(draw)
        figures = figures_of(run, cut(synthetic), real, judge, encodes=encodes)
        halved, why = _halved(grid, synthetic) if settings.redundancy else (None, "")
        row = Row(**grid.labels(draw))
        seed, number = grid.seed_of(draw), len(synthetic)
        found.append(Pushed(row, seed, number, w2_points(synthetic), figures, halved, why))
    return PushForward(
        tuple(found),
        settings.split,
        judge.extractor if judge and real.train is not None else "",
        real.in_class,
        run.recipe.students[0]["name"] if settings.redundancy else "",
    )


def keeps_all(grid: Grid, draw: Draw) -> bool:
    """Say whether a set is all data."""
    entry = grid.rows[draw.row]
    return entry.given is None and entry.made.keeps_all


def is_wanted(run: "Run") -> bool:
    """Say whether a run measures its sets: by default if its training images fit in memory."""
    asked = run.recipe.evaluation.pushforward
    return run.images.fits_in_memory("train") if asked is None else asked


def w2_points(synthetic: SyntheticSet) -> Distance | None:
    """Return the mean W2 of a set's points and masses, which its certificates state.

    None for points among inverted latents: it would stand beside that of images, and say nothing of
    how far decoding leads away.
    """
    if synthetic.provenance.get("points_in") == "inverted":
        return None
    rows: list[dict[str, Any]] = synthetic.provenance.get("certificates") or []
    return Distance.mean([Distance(row["distortion"] ** 0.5, row["w2"]) for row in rows])


def _halved(grid: Grid, synthetic: SyntheticSet) -> tuple[Redundancy | None, str]:
    run = grid.run
    if run.trains_apart:
        return None, "ranks train apart (evaluation.spread=ranks), halves are compared by all ranks"
    real = as_many(run.images, synthetic.labels, run.seed)
    for kind, labels in (("", synthetic.labels), ("real ", real.labels)):
        why = too_few(labels, kind)
        if why:
            return None, why
    return redundancy(run, synthetic, grid.tables[0].protocol, run.seed), ""
