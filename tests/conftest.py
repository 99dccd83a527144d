import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from lightning import Trainer

import ddoq
from ddoq import keyed
from ddoq.data.conversion import as_bytes, resized
from ddoq.data.images import Images
from ddoq.data.latents import LatentStore
from ddoq.data.source import Split
from ddoq.files.artifacts import write_json
from ddoq.files.tensors import write_tensors
from ddoq.processes import stop
from ddoq.protocols.presets import PRESETS
from ddoq.protocols.protocol import Protocol
from ddoq.synthetic import SyntheticSet

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in a shell's background, and what tests start would ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples every time; no deadline, machines differ.
settings.register_profile("ddoq", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("ddoq")


class TwoBlobs:
    """Two classes of 1x8x8 images, bright above and bright below, with Gaussian noise."""

    def __init__(self, sizes: dict[str, tuple[int, int]]) -> None:
        for name, (first, second) in sizes.items():
            labels = torch.tensor([0] * first + [1] * second)
            labels = labels[keyed.permutation(len(labels), "blobs", name)]
            setattr(self, name, _blobs(labels, keyed.seed_of("blobs", name)))
        self.class_names, self.class_ids = ("above", "below"), ("a", "b")
        self.channels, self.image_size = 1, 8
        self.mean, self.std = (0.5,), (0.25,)
        self.fingerprint = f"blobs {sizes}"


def _blobs(labels: torch.Tensor, seed: int) -> Split:
    noise = keyed.normal(seed, torch.arange(len(labels)), (1, 8, 8))
    sign = 1.0 - 2 * labels[:, None, None, None]
    rows = torch.tensor([1.0, -1.0]).repeat_interleave(4)[:, None]
    pixels = as_bytes(0.5 + 0.2 * sign * rows + 0.1 * noise)
    return Split(labels, lambda i, size: resized(pixels[i], size))


@pytest.fixture(autouse=True)
def signals_are_the_runners() -> Generator[None]:
    """Give signals back after a test that ran a command in this process."""
    yield
    stop.forget()


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which a new Python process finds the package."""
    return {**os.environ, "PYTHONPATH": str(Path(ddoq.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Return a Python that has imported the slow libraries; `warm.py` says what it is not for."""
    folder = tmp_path_factory.mktemp("warm")
    python = folder / "python"
    program = Path(__file__).with_name("warm.py")
    command = [sys.executable, program, python, folder / "socket"]
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as server:
        while not os.access(python, os.X_OK):
            assert server.poll() is None
            time.sleep(0.05)
        yield str(python)
        server.kill()


@pytest.fixture
def tiny_images() -> Images:
    """30 and 18 training images; 40 test images."""
    return Images(TwoBlobs({"train": (30, 18), "val": (4, 4), "test": (20, 20)}))


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[list[torch.Tensor]], LatentStore]:
    """Return a function that stores one tensor of latents per class."""

    def make(classes: list[torch.Tensor]) -> LatentStore:
        folder = tmp_path / "latents"
        folder.mkdir()
        counts = [len(z) for z in classes]
        starts = [sum(counts[:c]) for c in range(len(counts))]
        index = torch.arange(sum(counts))
        write_tensors(folder / "all.safetensors", {"latents": torch.cat(classes), "index": index})
        entries = [
            {"count": n, "shard": "all.safetensors", "start": s}
            for n, s in zip(counts, starts, strict=True)
        ]
        shape = list(classes[0].shape[1:])
        write_json(folder / "manifest.json", {"shape": shape, "classes": entries})
        return LatentStore.open(folder)

    return make


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """Return a function that makes a quiet Lightning Trainer on the CPU."""

    def make(**settings: object) -> Trainer:
        quiet = {
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "use_distributed_sampler": False,
            "max_epochs": 1,
        }
        return Trainer(**{**quiet, **settings})  # type: ignore[arg-type] # settings of any type

    return make


@pytest.fixture
def make_protocol() -> Callable[..., Protocol]:
    """Return a function that makes a plain hard-label protocol without any augmentation."""

    def make(**changes: object) -> Protocol:
        plain = {"crop": None, "steps": 8, "batch_size": 8, "warmup": 0.0}
        return PRESETS["small_hard"].change(**{**plain, **changes})

    return make


@pytest.fixture
def tiny_set() -> SyntheticSet:
    """Ten 1x8x8 images of two classes; image i is filled with i / 10 and weighs i + 1."""
    levels = torch.arange(10) / 10
    return SyntheticSet(
        images=levels[:, None, None, None].repeat(1, 1, 8, 8),
        labels=torch.arange(10) % 2,
        weights=torch.arange(10) + 1.0,
        class_names=("even", "odd"),
        class_ids=("e", "o"),
    )
