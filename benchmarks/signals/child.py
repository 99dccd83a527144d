"""Train one small student on some ranks, and write what came out: what signals are sent to."""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

from ddoq import command, recipe
from ddoq.evaluation.measure import measure
from ddoq.evaluation.training import Training
from ddoq.files.artifacts import write_json
from ddoq.protocols.presets import preset
from ddoq.run import Run

STUDENT = {"name": "convnet", "depth": 2, "width": 8, "norm": "batch"}


def main(argv: list[str]) -> None:
    """Train in the folder, on the ranks and for the steps that are given."""
    folder, ranks, steps = argv
    trainer = f"trainer={{accelerator: cpu, devices: {ranks}, strategy: ddp}}"
    places = [f"cache={folder}/cache", f"out={folder}/out"]
    run = Run(recipe.read(["recipe=digits", *places, *([trainer] if ranks != "1" else [])]).recipe)
    protocol = preset("small_hard", steps=int(steps), batch_size=20, evaluations=3)
    training = Training(run.images.subset(torch.arange(60)), STUDENT, protocol, 0)
    (Path(folder) / "begun").touch()
    measured = asdict(measure(run, training))
    if run.world.is_first:
        told = {k: v for k, v in measured.items() if k not in ("seconds", "peak_memory_mb")}
        write_json(Path(folder) / "measured.json", told)


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
