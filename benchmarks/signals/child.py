"""Train one small student or set, and write what came out: what signals are sent to."""

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ddoq import command, recipe
from ddoq.evaluation.measure import measure
from ddoq.evaluation.rows import made_of
from ddoq.evaluation.training import Training
from ddoq.files.artifacts import sha256, write_json
from ddoq.protocols.presets import preset
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.run import Run
from ddoq.training import resume

STUDENT = {"name": "convnet", "depth": 2, "width": 8, "norm": "batch"}
_OUTER = 5
_QUEUE = {"name": "queue", "every": 5, "members": 2, "train_steps": 2, "batch_size": 16}
# The sets that can be learned, with their settings. So many steps go by with one network of `dc`.
SETS: dict[str, dict[str, Any]] = {
    "dm": {},
    "dc": {"viewpoint": {"name": "inner", "outer": _OUTER, "inner": 2}},
    "idm": {"viewpoint": _QUEUE},
}


def main(argv: list[str]) -> None:
    """Train in the folder, on the ranks and for the steps that are given."""
    folder, what, ranks, steps = argv
    trainer = f"trainer={{accelerator: cpu, devices: {ranks}, strategy: ddp}}"
    student = "student={name: convnet, depth: 2, width: 8}"
    places = [f"cache={folder}/cache", f"out={folder}/out", student]
    run = Run(recipe.read(["recipe=digits", *places, *([trainer] if ranks != "1" else [])]).recipe)
    train = _student if what == "student" else partial(_set, what)
    told = train(run, Path(folder), int(steps))
    if run.world.is_first:
        write_json(Path(folder) / "measured.json", told)


def _student(run: Run, folder: Path, steps: int) -> dict[str, Any]:
    """Train a student, and return what it comes to."""
    protocol = preset("small_hard", steps=steps, batch_size=20, evaluations=3)
    training = Training(run.images.subset(torch.arange(60)), STUDENT, protocol, 0)
    (folder / "begun").touch()
    measured = asdict(measure(run, training))
    return {k: v for k, v in measured.items() if k not in ("seconds", "peak_memory_mb")}


def _set(name: str, run: Run, folder: Path, steps: int) -> dict[str, Any]:
    """Learn a set, and return the hash of its file."""
    resume.EVERY_SECONDS = 0.0
    length = {"networks": steps // _OUTER} if name == "dc" else {"steps": steps}
    block = {"name": name, "images_per_class": 1, "batch_size": 8, **length, **SETS[name]}
    done = complete(KINDS, "distiller", block)
    made = made_of(done, run.recipe.decoder, run.recipe.weighting)
    (folder / "begun").touch()
    made.distill(run.images, run, run.seed)
    [file] = (folder / "cache" / "learned").glob("*/learned.safetensors")
    return {"set": sha256(file)}


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
