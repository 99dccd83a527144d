"""The soft labels of a whole training, made once: a table on disk that can be read at any step.

Only logits are kept. The augmented images of a step, to which they belong, follow from the seed, so
ranks, workers and resuming do not matter.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.files.artifacts import read_json, write_json
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.labels.packing import pack, unpack
from ddoq.processes.world import World
from ddoq.students.feed import Feed

# The approximate size of the files in which steps are kept.
_FILE_BYTES = 32 * 2**20
_COST = "cost.json"


class LabelTable:
    """The logits of every distinct step of a training, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        about = read_json(folder / "labels.json")
        self._steps_per_file: int = about["steps_per_file"]
        self._num_classes: int = about["num_classes"]
        cost = folder / _COST
        self.seconds: float = read_json(cost)["seconds"] if cost.is_file() else 0.0
        """What the labeling took."""
        self._file = lru_cache(maxsize=2)(self._read)

    def _read(self, number: int) -> dict[str, Tensor]:
        return read_tensors(self._folder / _name(number))

    def logits(self, step: int) -> Float[Tensor, "n classes"]:
        """Return the logits of all images of a step, in the order of the step."""
        number, place = divmod(step, self._steps_per_file)
        stored = self._file(number)
        first, last = stored["starts"][place], stored["starts"][place + 1]
        rows = {k: t[first:last] for k, t in stored.items() if k != "starts"}
        return unpack(rows, self._num_classes)


def write_table(
    feed: Feed,
    label: Callable[[Tensor], Tensor],
    folder: Path,
    *,
    num_classes: int,
    world: World,
    advance: Callable[[int], None],
) -> None:
    """Label every distinct step of a training; ranks share the files.

    Files that an interrupted call left behind are kept.
    """
    start = time.perf_counter()
    row_bytes = 4 * num_classes * feed.batch_size
    per_file = max(1, min(feed.num_distinct, _FILE_BYTES // row_bytes))
    for number in range(world.rank, -(-feed.num_distinct // per_file), world.size):
        file = folder / _name(number)
        steps = range(number * per_file, min((number + 1) * per_file, feed.num_distinct))
        if not file.exists():
            write_tensors(file, _labeled(feed, label, steps))
        advance(len(steps))
    if world.is_first:
        about = {"steps_per_file": per_file, "num_classes": num_classes}
        write_json(folder / "labels.json", about)
        write_json(folder / _COST, {"seconds": time.perf_counter() - start})


@torch.no_grad()
def _labeled(feed: Feed, label: Callable[[Tensor], Tensor], steps: range) -> dict[str, Tensor]:
    packed = [pack(label(feed.whole(s).images).cpu(), feed.protocol) for s in steps]
    starts = [0]
    for rows in packed:
        starts.append(starts[-1] + len(rows["logits"]))
    joined = {k: torch.cat([p[k] for p in packed]) for k in packed[0]}
    return {**joined, "starts": torch.tensor(starts)}


def _name(number: int) -> str:
    return f"steps-{number:05d}.safetensors"
