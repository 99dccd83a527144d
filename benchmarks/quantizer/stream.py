"""How fast latents stream from disk by class: ddoq's store, a plain memmap, webdataset.

    python -m benchmarks.quantizer stream store=FOLDER scratch=FOLDER [gb=2] [runs=5]

All read the same classes, from the page cache (each is read once before), in one process. The
store and the memmap are copied class by class into one buffer. `new` maps the files afresh, so
that every page is faulted in; `kept` is a second pass over the same mapping. webdataset's samples
are iterated over and dropped. Needs `pip install ddoq[benchmarks]`.
"""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quantizer import measure
from benchmarks.quantizer.generated import buffer_for, first_classes, stream
from ddoq.data.latents import LatentStore
from ddoq.errors import IntegrityError, ResourceError
from ddoq.files.artifacts import replacing, write_json
from ddoq.recipe import arguments

Reader = Callable[[], None]
_OURS, _MEMMAP, _WEB = "ddoq store", "numpy.memmap", "webdataset"
_HEADER = ("reader", "thousand latents/s", "GB/s", "times the memmap", "times webdataset")


@dataclass(frozen=True)
class Options:
    """What may be set."""

    store: Path
    scratch: Path
    gb: float = 2.0
    runs: int = 5
    threads: int = 1
    out: Path = Path("stream.json")


def main(argv: list[str]) -> None:
    """Write what the others read, warm up, let all take turns, print rates and ratios."""
    asked = arguments.read(Options, argv, "stream")
    torch.set_num_threads(asked.threads)
    whole = LatentStore.open(asked.store)
    part = first_classes(whole, num_classes(whole, asked.gb))
    about = measure.machine(asked.threads, ("torch", "safetensors", "numpy", "webdataset"))
    measure.show_machine(about)
    asked.scratch.mkdir(parents=True, exist_ok=True)
    raw, tar = write_raw(part, asked.scratch), write_tar(part, asked.scratch)
    check(part, raw)
    rates = race(whole, part, raw, tar, asked.runs)
    size = 2 * int(np.prod(part.shape))
    print(
        f"{sum(part.counts)} latents of {size} bytes, {len(part.counts)} classes, {asked.runs} runs"
    )
    print(measure.markdown(_HEADER, [_line(rates, name, size) for name in rates]))
    bars(rates)
    write_json(asked.out, {"machine": about, "latent_bytes": size, "latents_per_second": rates})


def num_classes(store: LatentStore, gb: float) -> int:
    """Return how many of the first classes make up so many gigabytes, at least one."""
    sizes = np.cumsum([2 * int(np.prod(store.shape)) * count for count in store.counts])
    return max(1, int((sizes <= gb * 1e9).sum()))


def _name(store: LatentStore) -> str:
    return f"first-{len(store.counts)}-classes-{sum(store.counts)}x{int(np.prod(store.shape))}"


def write_raw(store: LatentStore, folder: Path) -> Path:
    """Write the same latents as nothing but their bytes, unless that is there."""
    file = folder / f"{_name(store)}.bin"
    if not file.exists():
        with replacing(file) as temporary, temporary.open("wb") as sink:
            for label in range(len(store.counts)):
                sink.write(store.latents(label).numpy().tobytes())
    return file


def write_tar(store: LatentStore, folder: Path) -> Path:
    """Write the same latents as a tar of one .npy each, unless that is there."""
    try:
        from webdataset import TarWriter
    except ImportError as error:
        raise ResourceError("webdataset is missing", "pip install ddoq[benchmarks]") from error
    file = folder / f"{_name(store)}.tar"
    if not file.exists():
        numbers = itertools.count()
        with replacing(file) as temporary, TarWriter(str(temporary)) as sink:
            for label in range(len(store.counts)):
                for latent in store.latents(label):
                    sink.write({"__key__": f"{next(numbers):08d}", "npy": latent.numpy()})
    return file


def check(store: LatentStore, raw: Path) -> None:
    """Make sure that the raw file holds the store's latents."""
    label = len(store.counts) - 1
    ours = store.latents(label).numpy()
    if not np.array_equal(mapped(store, raw)[-len(ours) :], ours):
        raise IntegrityError(f"{raw} holds other latents than the store", "remove it")


def mapped(store: LatentStore, raw: Path) -> np.memmap:
    """Map the raw file."""
    return np.memmap(raw, np.float16, "r", shape=(sum(store.counts), *store.shape))


def copy_mapped(source: np.memmap, counts: list[int], buffer: np.ndarray) -> None:
    """Copy the classes, one after the other, into one buffer."""
    start = 0
    for count in counts:
        np.copyto(buffer[:count], source[start : start + count])
        start += count


def iterate(tar: Path) -> None:
    """Iterate over webdataset's samples, decoded."""
    from webdataset import WebDataset

    for sample in WebDataset(str(tar), shardshuffle=False).decode():
        if sample["npy"].dtype != np.float16:
            raise IntegrityError(f"{tar} holds other latents than the store", "remove it")


def race(
    whole: LatentStore, part: LatentStore, raw: Path, tar: Path, runs: int
) -> dict[str, list[float]]:
    """Return every reader's latents per second in every run, after a first that does not count."""
    buffer = buffer_for(whole)
    array = buffer.numpy()
    rates: dict[str, list[float]] = {}

    def clock(name: str, store: LatentStore, reader: Reader) -> None:
        rate = sum(store.counts) / measure.timed(reader)[1]
        rates.setdefault(name, []).append(rate)

    for _ in range(runs + 1):
        # A store keeps its mapping, so each run takes a new one; its second pass finds it kept.
        store = first_classes(part, len(part.counts))
        clock(f"{_OURS}, new", part, lambda s=store: stream(s, buffer))
        clock(f"{_OURS}, kept", part, lambda s=store: stream(s, buffer))
        source = mapped(part, raw)
        clock(f"{_MEMMAP}, new", part, lambda m=source: copy_mapped(m, part.counts, array))
        clock(f"{_MEMMAP}, kept", part, lambda m=source: copy_mapped(m, part.counts, array))
        everything = first_classes(whole, len(whole.counts))
        clock(f"{_OURS}, new, all", whole, lambda s=everything: stream(s, buffer))
        clock(_WEB, part, lambda: iterate(tar))
    return {name: values[1:] for name, values in rates.items()}


def _line(rates: dict[str, list[float]], name: str, size: int) -> list[str]:
    kind = "kept" if name.endswith("kept") else "new"
    median = statistics.median(rates[name])
    against = [statistics.median(rates[other]) for other in (f"{_MEMMAP}, {kind}", _WEB)]
    return [
        name,
        measure.spread([rate / 1000 for rate in rates[name]], digits=4),
        measure.spread([rate * size / 1e9 for rate in rates[name]]),
        *(f"{median / other:.3g}" for other in against),
    ]


def bars(rates: dict[str, list[float]]) -> None:
    """Print the two ratios that matter, beside what they have to be."""
    median: dict[str, Any] = {name: statistics.median(values) for name, values in rates.items()}
    ours = median[f"{_OURS}, new"]
    print(f"store / memmap, both new: {ours / median[f'{_MEMMAP}, new']:.3f} (bar 0.6, aim 0.75)")
    print(f"store / webdataset: {ours / median[_WEB]:.0f} (bar 100)")
