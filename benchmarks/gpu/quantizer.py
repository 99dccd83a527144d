"""The quantizer at ImageNet-1K's shape, from a store on disk, as a run calls it.

1000 classes of 1281 latents of 4096 numbers in half precision are 10.5 GB; where the disk or the
time is short there are fewer classes.
"""

import math
import shutil
import time
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.gpu.device import forget_peak, peak_gib, seconds_of, world
from benchmarks.gpu.part import Options
from benchmarks.quantizer.generated import first_classes, generate
from ddoq.data.latents import LatentStore
from ddoq.distillers import points
from ddoq.processes.world import World
from ddoq.quantize import quantizer
from ddoq.quantize.lloyd import Lloyd
from ddoq.run.trainers import new_trainer

_CLASSES, _COUNT, _DIM = 1000, 1281, 4096
_POINTS = (10, 200)
# Of the seconds that are left, and of the free disk: points and masses need room, too.
_GENERATING, _DISK = 0.4, 0.5
# Classes by which a run is begun and forecast, and which share of the forecast is trusted.
_WARM_UP, _TRUSTED = 32, 0.8
_NOTE_SECONDS = 1.0


def main(asked: Options) -> None:
    """Generate, read, and quantize at both numbers of points."""
    ranks = world()
    store = _store(asked, ranks)
    reading = _reading(store, ranks)
    size = _bytes(store)
    asked.note({"reading": {"seconds": reading, "gb_per_second": size / reading / 1e9}})
    print(f"read to {ranks.device.type} alone: {reading:.2f} s, {size / reading / 1e9:.2f} GB/s")
    few = min(store.counts) // 6
    rows: list[dict[str, Any]] = []
    for number in (min(most, few) for most in _POINTS):
        rows.append({"points": number})
        _measure(asked, store, rows, reading, ranks)


def _store(asked: Options, ranks: World) -> LatentStore:
    """Return the store, of as many classes as there is room and time for."""
    root = math.sqrt(asked.scale)
    shape = {"count": max(128, round(_COUNT * root)), "dim": max(256, round(_DIM * root) // 4 * 4)}
    classes = asked.scaled(_CLASSES, least=10)
    room = shutil.disk_usage(asked.folder).free * _DISK / (2 * shape["count"] * shape["dim"])
    start = time.monotonic()
    store = generate(
        asked.folder / "store",
        classes=max(1, min(classes, int(room))),
        device=ranks.device,
        seconds=_GENERATING * asked.seconds_left,
        **shape,
    )
    seconds, found = time.monotonic() - start, len(store.counts)
    about = {"asked": classes, "classes": found, **shape, "gb": _bytes(store) / 1e9}
    asked.note({"store": {**about, "generated_seconds": seconds}})
    print(f"store: {about}, generated in {seconds:.1f} s")
    return store


def _bytes(store: LatentStore) -> int:
    return 2 * sum(store.counts) * math.prod(store.shape)


def _reading(store: LatentStore, ranks: World) -> float:
    """Return the seconds of bringing every class to the device, from a new mapping."""
    mapped = first_classes(store, len(store.counts))
    labels = range(len(store.counts))

    def read() -> None:
        for label in labels:
            latents = mapped.latents(label)
            latents.to(ranks.device) if ranks.device.type == "cuda" else latents.clone()

    return seconds_of(read, ranks.device)


def _measure(
    asked: Options, store: LatentStore, rows: list[dict[str, Any]], reading: float, ranks: World
) -> None:
    """Quantize the store into the last row, noting how far it is while it goes on."""
    row, folder = rows[-1], asked.folder
    at_once = points.at_once(store, row["points"], ranks)
    few = first_classes(store, min(_WARM_UP, len(store.counts)))
    for _ in range(2):
        begun = time.perf_counter()
        _quantize(few, row["points"], folder, ranks, **at_once)
    each = (time.perf_counter() - begun) / len(few.counts)
    # Later rows need time, too.
    left = asked.seconds_left / (len(_POINTS) - len(rows) + 1)
    total = min(len(store.counts), max(len(few.counts), int(_TRUSTED * left / each)))
    reading *= total / len(store.counts)
    store = first_classes(store, total)
    row |= {"at_once": at_once, "classes": 0}
    forget_peak(ranks.device)
    start = noted = time.perf_counter()

    def advance(classes: int) -> None:
        nonlocal noted
        row["classes"] += classes
        row["seconds"] = time.perf_counter() - start
        row["classes_per_second"] = row["classes"] / row["seconds"]
        if time.perf_counter() - noted > _NOTE_SECONDS:
            noted = time.perf_counter()
            asked.note({"runs": rows})

    written = _quantize(store, row["points"], folder, ranks, advance, **at_once)
    seconds = time.perf_counter() - start
    row |= {
        "seconds": seconds,
        "classes_per_second": total / seconds,
        "gb_per_second": _bytes(store) / seconds / 1e9,
        "share_of_reading": reading / seconds,
        "share_of_writing": written / seconds,
        "peak_gib": peak_gib(ranks.device),
    }
    asked.note({"runs": rows})
    print(
        f"{row['points']} points: {total} classes in {seconds:.2f} s, {total / seconds:.1f}/s, "
        f"{row['gb_per_second']:.2f} GB/s, reading {reading / seconds:.0%}, "
        f"writing {written / seconds:.0%}, peak {row['peak_gib']} GiB",
        flush=True,
    )


def _quantize(
    store: LatentStore,
    points: int,
    folder: Path,
    ranks: World,
    advance: Any = lambda _: None,
    **at_once: int,
) -> float:
    """Quantize a store as a run does; return the seconds that classes' results took to write.

    In forked processes these are not seen.
    """
    work, write, seconds = folder / "work", quantizer.write_tensors, 0.0
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()

    def timed(*content: Any) -> None:
        nonlocal seconds
        start = time.perf_counter()
        write(*content)
        seconds += time.perf_counter() - start

    with mock.patch.object(quantizer, "write_tensors", timed):
        quantizer.quantize(
            store,
            Lloyd(),
            num_points=[points] * len(store.counts),
            seed=0,
            trainer=new_trainer(ranks, {}, {"precision": "32-true"}),
            work=work,
            world=ranks,
            advance=advance,
            **at_once,
        )
    shutil.rmtree(work)
    return seconds
