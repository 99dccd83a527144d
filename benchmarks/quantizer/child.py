"""Quantize a generated store as `ddoq.fit` does; run by `scale` in a process of its own."""

import logging
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer

from benchmarks.quantizer.generated import first_classes
from benchmarks.quantizer.memory import read_memory
from ddoq import command
from ddoq.data.latents import LatentStore
from ddoq.files.artifacts import write_json
from ddoq.processes.world import World
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.quantizer import quantize
from ddoq.recipe import arguments


@dataclass(frozen=True)
class Options:
    """What may be set."""

    store: Path
    classes: int
    points: int
    threads: int
    work: Path


def trainer() -> Trainer:
    """Return the Trainer that `ddoq.run` makes on a CPU."""
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        precision="32-true",
    )


def main(argv: list[str]) -> None:
    """Quantize; leave the result, and beside it the seconds and the memory before the start."""
    asked = arguments.read(Options, argv, "child")
    torch.set_num_threads(asked.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    store = first_classes(LatentStore.open(asked.store), asked.classes)
    shutil.rmtree(asked.work, ignore_errors=True)
    asked.work.mkdir(parents=True)
    lightning = trainer()
    before = read_memory("self")
    start = time.perf_counter()
    quantize(
        store,
        Lloyd(),
        num_points=[asked.points] * len(store.counts),
        seed=0,
        trainer=lightning,
        work=asked.work,
        world=World(),
        processes=asked.threads,
    )
    seconds = time.perf_counter() - start
    write_json(asked.work / "measured.json", {"seconds": seconds, "before": before})


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
