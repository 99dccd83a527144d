"""What a recipe holds: the schema that every layer is merged into."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddoq.recipe.component import Block
from ddoq.recipe.component import build as build_component
from ddoq.recipe.kinds import KINDS

# Where files go is for the command line to say, not for a file that somebody sent.
PLACES = ("out", "cache")


@dataclass
class Evaluation:
    """How the synthetic set is measured, and what stands beside it."""

    seeds: int = 3
    split: str = "test"
    """`val` measures on validation images instead: for every choice that is made by a number."""
    choose: bool = False
    """Measure on validation images too, choose the method's variant by them for each size, and
    compare that one with the other rows."""
    redraw: bool = True
    """Draw the distilled set anew for each seed; otherwise the table says "one set"."""
    distillers: list[Any] = field(default_factory=list[Any])
    """Further methods beside the recipe's, as rows of the same size."""
    images_per_class: list[int] = field(default_factory=list[int])
    """Sizes at which all rows are repeated; empty: that of the recipe's distiller."""
    decoders: list[Any] = field(default_factory=list[Any])
    """Further decoders of the same points, each a row of its own."""
    weightings: list[Any] = field(default_factory=list[Any])
    """Further weightings of the same images, each a row of its own."""
    teachers: list[Any] = field(default_factory=list[Any])
    """Further teachers; the tables of soft labels are repeated with each."""
    baselines: list[Any] = field(default_factory=lambda: ["uniform", "random", "full"])
    """Rows with the method's size: `uniform` (its images unweighted), or any distiller."""
    labels: str = "auto"
    """Where soft labels come from: `online` asks the teacher at each step, `stored` makes a table
    once that all students of a seed share, `auto` stores small ones. The results are the same, on
    a CPU bit for bit."""
    workers: int | None = None
    """Processes that train students side by side in a run of one rank; null: on a CPU with
    `threads` given as many as fit on its cores, four at most, else one."""
    spread: str = "processes"
    """Where trainings run side by side: `processes` of this machine, the run's `ranks` (each whole
    trainings of its own, where they would share each one's steps), or a `ray` cluster."""
    across: bool = False
    """Show one table over all protocols too, which says that its columns cannot be compared."""
    full_protocol: Any = None
    """Train on all data by another protocol, as a source does that trains them longer; the note
    beside the row says by which. Null: by that of the table."""
    full_seeds: int = 1
    full_students: int = 1
    quoted: list[Any] = field(default_factory=list[Any])
    """Published numbers shown beside ours: {distiller, student, top1, protocol, source}."""


@dataclass
class Recipe:
    """One run, completely described."""

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
    """Threads of the CPU kernels, and classes that are quantized side by side; null leaves it to
    torch."""
    cache: str = "checkpoints/cache"
    out: str | None = None

    def build(self, kind: str, block: Block | None = None, **supplied: Any) -> Any:
        """Make a component of this recipe, or of another block of the same kind."""
        return build_component(KINDS, kind, block or getattr(self, kind), **supplied)

    def folder(self, digest: str) -> Path:
        """Return where a run of this recipe leaves its files."""
        return Path(self.out or Path("checkpoints", "runs", self.name, digest))

    def save(self, file: Path) -> None:
        """Write the recipe so that `recipe=<that file>` repeats the run."""
        file.write_text(self.yaml(), encoding="utf-8")

    def yaml(self) -> str:
        """Return the recipe as YAML, without the places of this machine."""
        from omegaconf import OmegaConf

        return OmegaConf.to_yaml(without_places(dataclasses.asdict(self)))


def without_places(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer without what says where files go."""
    kept = {k: v for k, v in layer.items() if k not in PLACES}
    if isinstance(kept.get("trainer"), dict):
        settings = kept["trainer"].items()
        kept["trainer"] = {k: v for k, v in settings if k != "default_root_dir"}
    return kept
