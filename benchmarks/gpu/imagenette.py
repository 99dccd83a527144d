"""One run of `recipe=imagenette/dit` end to end, on made pictures and with random networks.

Does the path hold in memory, precision and time? What students learn from it means nothing.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from json import loads
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.gpu.device import GIB, world
from benchmarks.gpu.part import Options
from benchmarks.gpu.pipeline import pixels_at, random_pipeline
from ddoq import recipe
from ddoq.files.tensors import write_tensors
from ddoq.report.files import read_results
from ddoq.synthetic import SyntheticSet
from ddoq.teachers.trained import make_net

_RECIPE = "recipe=imagenette/dit"
_TRAIN, _VAL, _POINTS = 24, 4, 2
_EPOCHS = 3
_PROTOCOLS = ("minimax_hard", "rded")
_SMALL_STUDENTS = (
    "students=[{name: convnet, depth: 3, width: 8}, {name: resnetap, depth: 10, width: 8}, "
    "{name: resnet, depth: 10, width: 8, norm: instance}]"
)
_LOOK_SECONDS = 1.0


def main(asked: Options) -> None:
    """Make what the recipe needs, run it in a process of its own, and look at what it left."""
    begun = time.monotonic()
    device = world().device
    pixels = pixels_at(asked.scale)
    classes = recipe.read([_RECIPE, "data.root=none"]).recipe.data["classes"]
    _make_pictures(asked.folder / "pictures", classes, pixels)
    pipeline = random_pipeline(asked, device)
    teacher = _make_teacher(asked.folder / "teacher.safetensors", classes, pixels)
    if device.type == "cuda":
        # The run needs the memory that was only kept for later.
        torch.cuda.empty_cache()
    start = time.monotonic()
    asked.note({"pixels": pixels, "seconds_before_the_run": start - begun})
    given = [_RECIPE, *_settings(asked, pixels, pipeline), teacher]
    print("python -m ddoq.fit", *(f"'{one}'" for one in given), flush=True)
    with _watching(asked, start):
        code = subprocess.run([sys.executable, "-m", "ddoq.fit", *given], check=False).returncode
    seconds = time.monotonic() - start
    asked.note({"exit_code": code, "run_seconds": seconds, **_stages(asked)})
    if code:
        # Its own last lines are the reason.
        sys.exit(1)
    asked.note(_left(asked))
    print(_left(asked))


def _make_pictures(folder: Path, classes: list[str], pixels: int) -> None:
    """Write smooth random pictures, each class of its own tint."""
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", _TRAIN), ("val", _VAL)):
        for label, name in enumerate(classes):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            coarse = torch.rand(count, 3, 8, 8, generator=generator)
            coarse[:, label % 3] = coarse[:, label % 3] / 2 + label / 20
            smooth = torch.nn.functional.interpolate(coarse, size=(pixels, pixels), mode="bicubic")
            smooth += torch.randn(smooth.shape, generator=generator) / 20
            for number, image in enumerate(smooth.clamp(0, 1).mul(255).byte()):
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / f"{number}.jpg")


def _make_teacher(file: Path, classes: list[str], pixels: int) -> str:
    """Write a random ResNet-18, and return the teacher that it is."""
    described = {"class_ids": classes, "mean": [0.0] * 3, "image_size": pixels}
    net = make_net({"name": "torchvision/resnet18"}, described)
    write_tensors(file, net.state_dict())
    ids = ", ".join(classes)
    return (
        f"teacher={{name: checkpoint, source: {file}, student: {{name: torchvision/resnet18}}, "
        f"class_ids: [{ids}]}}"
    )


def _settings(asked: Options, pixels: int, pipeline: Path) -> list[str]:
    """Return what is changed in the recipe: its sources and its length, and at a scale its size."""
    short = f"epochs: {_EPOCHS}, evaluations: 1"
    if asked.scale < 1:
        short += f", image_size: {pixels}"
    protocols = (f"{{name: {name}, {short}}}" for name in _PROTOCOLS)
    settings = [
        f"data.root={asked.folder / 'pictures'}",
        f"cache={asked.folder / 'cache'}",
        f"out={asked.folder / 'run'}",
        f"distiller.images_per_class={_POINTS}",
        f"protocols=[{', '.join(protocols)}]",
        "evaluation.seeds=1",
        "evaluation.decoders=[]",
        "evaluation.baselines=[random]",
    ]
    for part in ("autoencoder", "prior"):
        settings += [f"{part}.source={pipeline}", f"{part}.revision=null"]
    if asked.scale < 1:
        sizes = (f"{part}.image_size={pixels}" for part in ("data", "autoencoder"))
        settings += [*sizes, "decoder.steps=10", _SMALL_STUDENTS]
    return settings


@contextmanager
def _watching(asked: Options, start: float) -> Generator[None]:
    """Note stages and memory every second, until the run has ended."""
    ended, peak = threading.Event(), 0.0

    def watch() -> None:
        nonlocal peak
        while not ended.wait(_LOOK_SECONDS):
            if torch.cuda.is_available():
                free, total = torch.cuda.mem_get_info()
                peak = max(peak, (total - free) / GIB)
                asked.note({"peak_gib_in_use_on_device": peak})
            asked.note({"run_seconds": time.monotonic() - start, **_stages(asked)})

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _stages(asked: Options) -> dict[str, Any]:
    """Return each stage's number, seconds and largest memory, and what the last event was."""
    file = asked.folder / "run" / "log.jsonl"
    events = [loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    stages: dict[str, dict[str, float]] = {}
    for event in events:
        if event["event"] == "finish":
            row = stages.setdefault(event["stage"], {"number": 0, "seconds": 0.0, "peak_mb": 0.0})
            row["number"] += 1
            row["seconds"] += event["seconds"]
            row["peak_mb"] = max(row["peak_mb"], event["peak_memory_mb"])
    return {"stages": stages, "last_event": events[-1] if events else None}


def _left(asked: Options) -> dict[str, Any]:
    """Return what is to be seen in the set and in the results."""
    images = SyntheticSet.load(asked.folder / "run" / "synthetic").images.float()
    results = read_results(asked.folder / "run")
    return {
        "images": list(images.shape),
        "pixels_mean": float(images.mean()),
        "pixels_std": float(images.std()),
        "pixels_at_a_bound": float(((images == 0) | (images == 255)).float().mean()),
        "images_are_finite": bool(images.isfinite().all()),
        "trainings": len(results),
        "losses_are_finite": all(isfinite(r.loss) for r in results),
        "slowest_training_seconds": max(r.seconds for r in results),
    }
