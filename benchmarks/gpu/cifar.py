"""What the teacher, the prior and its samples share: CIFAR-10's recipe at some scale, weights."""

import shutil
import tarfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.part import Options
from ddoq import recipe
from ddoq.errors import ResourceError
from ddoq.files.artifacts import commit
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.recipe import shipped
from ddoq.run import Run

_SIZES = ("prior.net.width", 64, 8), ("teacher.student.width", 40, 8)
_BATCHES = ("prior.batch_size", 512, 32), ("teacher.batch_size", 512, 32)


def open_run(asked: Options, *overrides: str) -> Run:
    """Return the run of `recipe=cifar10` on the Parquet files; without them, on digits."""
    data = [f"data={{name: parquet, root: {asked.data}}}"] if asked.data else _DIGITS
    sizes = [f"pretrain.{k}={asked.scaled(n // 8) * 8}" for k, n, _ in _SIZES]
    sizes += [f"pretrain.{k}={asked.scaled(n, least=least)}" for k, n, least in _BATCHES]
    if asked.scale < 1:
        sizes.append("pretrain.prior.samples=2")
    places = [f"cache={asked.folder_of('cache')}", f"out={asked.folder_of('run')}"]
    settings = [*data, *sizes, *_TRAINING, *places]
    chosen = ["recipe=cifar10", *settings, *overrides]
    return Run(recipe.read(chosen).recipe)


# The recipe is a CPU's, with weights that come along. Here they are trained, and samples are drawn
# as those of the results were.
_TRAINING = (
    *("prior.source=pretrain", "teacher.source=pretrain", "pretrain.prior.minutes=null"),
    *("threads=null", "decoder={name: unet, scheduler: heun, steps: 18, guidance: 1.5}"),
)
_DIGITS = ["data=digits", "pretrain.prior.net.multipliers=[1, 2]"]


def leave_halved(asked: Options, folder: Path) -> Path:
    """Leave a folder of weights in half precision, as one file for `tar xf`, and return it."""
    weights = asked.folder_of("weights") / asked.name
    work = weights.with_name(f".{asked.name}")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work)
    for file in work.rglob("*.safetensors"):
        kept = read_tensors(file)
        write_tensors(file, {k: t.half() if t.is_floating_point() else t for k, t in kept.items()})
    # What is published beside weights is theirs to keep, not what made them here.
    shutil.rmtree(weights, ignore_errors=True)
    commit(work, weights)
    with asked.leaving(f"{asked.name}.tar") as temporary, tarfile.open(temporary, "w") as archive:
        archive.add(weights, arcname=asked.name)
    asked.note({"megabytes": (asked.out / f"{asked.name}.tar").stat().st_size / 1e6})
    return weights


def weights_of(asked: Options, part: str) -> Path | None:
    """Return the weights that a part of this call has left, or else those of the project."""
    here = asked.folder_of("weights") / part
    places = (here, shipped.locate(f"checkpoints/cifar10/{part}"))
    return next((p for p in places if (p / "manifest.json").is_file()), None)


def needed(asked: Options, part: str) -> Path:
    """Return a part's weights, or say how to get them."""
    found = weights_of(asked, part)
    if found is None:
        raise ResourceError(f"there are no weights of a {part}", f"run the part {part} before")
    return found


def card_of(folder: Path) -> dict[str, Any]:
    """Return what a folder's card says of its weights."""
    lines = (folder / "CARD.md").read_text(encoding="utf-8").splitlines()
    pairs = (line[2:].partition(": ") for line in lines if line.startswith("- "))
    return {name: value for name, _, value in pairs}
