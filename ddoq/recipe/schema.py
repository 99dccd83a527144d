"""The schema of a recipe, into which every layer is merged."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddoq.recipe.component import Block
from ddoq.recipe.component import build as build_component
from ddoq.recipe.kinds import KINDS

# Only the command line decides where files go, not a recipe file that somebody sent.
PLACES = ("out", "cache")


@dataclass
class Evaluation:
    """How the synthetic set is measured, and what it is compared with."""

    seeds: int = 3
    split: str = "test"
    """`val` measures on validation images instead. Use it for every choice made by a number."""
    choose: bool = False
    """Measure on validation images too. For each size they choose the method's variant, which is
    then compared with the other rows."""
    redraw: bool = True
    """Whether each seed draws a new distilled set. If not, the table says "one set"."""
    distillers: list[Any] = field(default_factory=list[Any])
    """Further methods, as rows with the size of the recipe's method."""
    images_per_class: list[int] = field(default_factory=list[int])
    """Sizes at which all rows are repeated. If empty, the recipe's distiller sets the size."""
    decoders: list[Any] = field(default_factory=list[Any])
    """Further decoders of the same points. Each adds a row."""
    weightings: list[Any] = field(default_factory=list[Any])
    """Further weightings of the same images. Each adds a row."""
    teachers: list[Any] = field(default_factory=list[Any])
    """Further teachers. Each repeats the tables of soft labels."""
    baselines: list[Any] = field(default_factory=lambda: ["uniform", "random", "full"])
    """Rows with the method's size: `uniform` (its images unweighted), or any distiller."""
    labels: str = "auto"
    """The origin of soft labels. `online` asks the teacher at each step. `stored` makes one table
    that all students of a seed share. `auto` stores small tables. The results are the same, on a
    CPU bit for bit."""
    workers: int | None = None
    """The number of processes that train students in parallel in a run of one rank. With null, on a
    CPU with `threads` given, it is what fits on the cores, at most four. Otherwise it is one."""
    spread: str = "processes"
    """Where trainings run in parallel: in `processes` of this machine, on the run's `ranks`, or on
    a `ray` cluster. With `ranks`, each rank runs complete trainings; otherwise ranks share each
    training's steps."""
    across: bool = False
    """Show one table of all protocols too. It says that its columns cannot be compared."""
    pushforward: bool | None = None
    """Measure how near synthetic images come to real ones: W2 after decoding, KID, precision,
    recall, memorization. With null, if the training images fit in memory."""
    redundancy: bool = False
    """Also train the first student on half of each set, and test it on the other half."""
    full_protocol: Any = None
    """The protocol for training on all data, for example a longer one as in a publication. The row
    names it. With null, it is the table's."""
    full_seeds: int = 1
    full_students: int = 1
    quoted: list[Any] = field(default_factory=list[Any])
    """Published numbers shown beside ours: {distiller, student, top1, protocol, source}."""


@dataclass
class Recipe:
    """The complete description of one run."""

    name: str
    data: dict[str, Any] = field(default_factory=lambda: {"name": "digits"})
    autoencoder: dict[str, Any] = field(default_factory=lambda: {"name": "identity"})
    prior: dict[str, Any] = field(default_factory=lambda: {"name": "dit"})
    distiller: dict[str, Any] = field(default_factory=lambda: {"name": "ddoq"})
    decoder: dict[str, Any] = field(default_factory=lambda: {"name": "plain"})
    weighting: dict[str, Any] = field(default_factory=lambda: {"name": "root"})
    teacher: dict[str, Any] = field(default_factory=lambda: {"name": "trained"})
    students: list[Any] = field(default_factory=lambda: [{"name": "convnet"}])
    protocols: list[Any] = field(default_factory=lambda: [{"name": "small"}])
    evaluation: Evaluation = field(default_factory=Evaluation)
    pretrain: dict[str, Any] = field(default_factory=dict[str, Any])
    trainer: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0
    threads: int | None = None
    """The number of CPU threads, and of classes that are quantized in parallel. With null, torch
    decides."""
    cache: str = "checkpoints/cache"
    out: str | None = None

    @property
    def decoders(self) -> list[Block]:
        """All decoders: the method's, those of further rows, and those that starts have."""
        rows = self.evaluation
        blocks = [self.distiller, *rows.distillers, *rows.baselines]
        starts: list[Block] = [b["start"] for b in blocks if isinstance(b.get("start"), dict)]
        own = [start["decoder"] for start in starts if "decoder" in start]
        return [self.decoder, *rows.decoders, *own]

    def build(self, kind: str, block: Block | None = None, **supplied: Any) -> Any:
        """Make this recipe's component of a kind, or that of another block of the kind."""
        return build_component(KINDS, kind, block or getattr(self, kind), **supplied)

    def folder(self, digest: str) -> Path:
        """Return the folder of the files of a run of this recipe."""
        return Path(self.out or Path("checkpoints", "runs", self.name, digest))

    def save(self, file: Path) -> None:
        """Write the recipe so that `recipe=<that file>` repeats the run."""
        file.write_text(self.yaml(), encoding="utf-8")

    def yaml(self) -> str:
        """Return the recipe as YAML, without paths of this machine."""
        from omegaconf import OmegaConf

        return OmegaConf.to_yaml(without_places(dataclasses.asdict(self)))


def without_places(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer without the keys that say where files go."""
    kept = {k: v for k, v in layer.items() if k not in PLACES}
    if isinstance(kept.get("trainer"), dict):
        settings = kept["trainer"].items()
        kept["trainer"] = {k: v for k, v in settings if k != "default_root_dir"}
    return kept
