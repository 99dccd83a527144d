"""What did the command line ask for?"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.ablate.candidates import CANDIDATES
from ddoq.errors import UsageError
from ddoq.recipe import arguments
from ddoq.recipe.signature import nearest


@dataclass(frozen=True)
class Invocation:
    """A command line, read."""

    latents: Path
    out: Path
    points: tuple[int, ...] = (1, 10, 50, 200)
    solvers: tuple[str, ...] = tuple(CANDIDATES)
    classes: int = 0
    """The first so many; 0 is all."""
    held_out: float = 0.35
    seeds: int = 1
    seed: int = 0
    """The first of the seeds."""
    threads: int = 1
    debug: bool = False

    def __post_init__(self) -> None:
        arguments.at_least(0, classes=self.classes, seed=self.seed)
        arguments.at_least(1, points=min(self.points), seeds=self.seeds, threads=self.threads)
        object.__setattr__(self, "points", tuple(sorted(set(self.points))))
        _refuse_unknown(self.solvers)
        if not 0 < self.held_out < 1:
            raise UsageError(
                f"held_out={self.held_out}", "held_out is a share between 0 and 1, such as 0.35"
            )
        if not _are_latents(self.latents):
            raise UsageError(
                f"latents={self.latents} is neither a store of latents nor a safetensors file",
                "ddoq encode makes a store; a file has one tensor [n, ...] per class",
            )


def read(argv: list[str]) -> Invocation:
    """Read `key=value ...`."""
    return arguments.read(Invocation, argv, "ablate")


def _refuse_unknown(solvers: tuple[str, ...]) -> None:
    for name in solvers:
        if name not in CANDIDATES:
            raise UsageError(
                f"solvers: there is no {name!r}{nearest(name, CANDIDATES)}",
                f"use some of {','.join(CANDIDATES)}",
            )


def _are_latents(path: Path) -> bool:
    is_file = path.suffix == ".safetensors" and path.is_file()
    return is_file or (path / "manifest.json").is_file()
