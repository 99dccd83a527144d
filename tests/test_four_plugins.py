"""A student, a distiller that learns, an evaluator and data of a user's own: one file for each.

They go through `fit` together, are killed while a set is learned and while a student is trained, go
on, and stand in the report. No line of the program knows any of them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq.files.artifacts import read_json
from ddoq.report.files import read_results
from ddoq.synthetic import SyntheticSet

DATA = '''
import torch
from ddoq.data.source import Split


class Waves:
    """Signals of 36 samples, slow or fast, as 6 x 6 numbers: no images."""

    modality = "signal"

    def __init__(self):
        for name, n in (("train", 60), ("val", 10), ("test", 60)):
            labels = torch.arange(n) % 2
            draw = torch.Generator().manual_seed(n)
            phase = 6.3 * torch.rand(n, 1, generator=draw)
            waves = torch.sin((1 + 3 * labels[:, None]) * torch.linspace(0, 6.3, 36) + phase)
            data = (127.5 * (1 + waves)).to(torch.uint8).reshape(n, 1, 6, 6)
            setattr(self, name, Split(labels, lambda i, size, data=data: data[i]))
        self.class_names = self.class_ids = ("slow", "fast")
        self.channels, self.image_size, self.mean, self.std = 1, 6, (0.5,), (0.5,)
        self.fingerprint = "waves"
'''
STUDENT = '''
import time
import torch


class Spectrum(torch.nn.Module):
    """A linear classifier of what frequencies there are."""

    def __init__(self, num_classes: int, pause: float = 0.0):
        super().__init__()
        self.last, self.pause = torch.nn.Linear(19, num_classes), pause

    def forward(self, x):
        time.sleep(self.pause)
        return self.last(torch.fft.rfft(x.flatten(1)).abs() / 6)
'''
DISTILLER = '''
import time
import torch
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.files.stage import Planned, Stage
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

STEPS = 150


class Spectra:
    """Learn signals with the mean spectrum of their class, their targets, and a rate."""

    learns = True

    def __init__(self, *, images_per_class: int = 1, pause: float = 0.0):
        self.size, self.pause = Size(images_per_class), pause

    def stages(self, run, seed):
        key = {"images": run.images.fingerprint, "size": self.size.key, "seed": seed}
        return [Planned(Stage("spectra"), key)]

    def distill(self, images, run, seed):
        [planned] = self.stages(run, seed)
        work = run.stage(planned.stage, planned.key, lambda work: self.learn(images, work, seed))
        learned = read_tensors(work / "learned.safetensors")
        labels = torch.arange(images.num_classes).repeat_interleave(self.size.per_class)
        return SyntheticSet(
            learned["images"], labels, torch.ones(len(labels)),
            images.class_names, images.class_ids,
            targets=learned["targets"], hints={"lr": float(learned["lr"])}, space="image",
            provenance={"distiller": "spectra", **self.size.key},
        )

    def learn(self, images, work, seed):
        real = images.pixels("train").flatten(1).float() / 255
        labels = torch.arange(images.num_classes).repeat_interleave(self.size.per_class)
        wanted = torch.stack([spectrum(real[images.train.labels == c]).mean(0) for c in (0, 1)])
        begun, first = work / "begun.safetensors", 0
        x = torch.rand(len(labels), 36, generator=torch.Generator().manual_seed(seed))
        if begun.exists():
            state = read_tensors(begun)
            x, first = state["x"].clone(), int(state["step"])
            print("spectra: going on at step", first, flush=True)
        for step in range(first, STEPS):
            if step % 10 == 0:
                write_tensors(begun, {"x": x, "step": torch.tensor(step)})
            time.sleep(self.pause)
            x.requires_grad_(True)
            loss = (spectrum(x) - wanted[labels]).square().mean()
            x = (x - 3 * torch.autograd.grad(loss, x)[0]).detach()
        targets = torch.eye(2)[labels] - 0.5
        learned = {"images": x.reshape(-1, 1, 6, 6), "targets": targets, "lr": torch.tensor(0.05)}
        write_tensors(work / "learned.safetensors", learned)


def spectrum(x):
    return torch.fft.rfft(2 * x - 1).abs() / 6
'''
EVALUATOR = '''
import torch
from ddoq.data.conversion import as_floats
from ddoq.evaluation.measure import Measure, measured


class Ridge:
    """Regression of the labels on spectra; nothing is trained."""

    def measure(self, run, training, work, labels):
        s = training.taught
        x, y = spectrum(floats(s.images)), torch.eye(s.num_classes)[s.labels]
        dual = torch.linalg.solve(x @ x.T + 0.1 * torch.eye(len(x)), y)
        images, labels = (torch.cat(t) for t in zip(*measured(run, training.protocol)))
        return Measure.of(spectrum(images) @ x.T @ dual, labels)


def floats(images):
    return images if images.is_floating_point() else as_floats(images)


def spectrum(x):
    return torch.fft.rfft(2 * x.flatten(1) - 1).abs() / 6
'''
WORDS = [
    *("recipe=digits", "data=waves:Waves", "autoencoder=identity", "decoder=plain"),
    "distiller={name: 'learned:Spectra', images_per_class: 1, pause: 0.02}",
    "student={name: 'nets:Spectrum', pause: 0.01}",
    "protocols=["
    "{name: small_hard, crop: null, steps: 200, labels: targets, loss: mse, uses_hints: [lr]}, "
    "{name: small_hard, crop: null, evaluator: 'ridge:Ridge'}]",
    *("evaluation.seeds=2", "evaluation.workers=2", "cache=cache", "out=out"),
]


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Return what starts `fit` in a folder that holds the four files."""
    files = {"waves": DATA, "nets": STUDENT, "learned": DISTILLER, "ridge": EVALUATOR}
    for name, source in files.items():
        (tmp_path / f"{name}.py").write_text(source)

    def started(python: str = sys.executable) -> subprocess.Popen[str]:
        command = [python, "-m", "ddoq.fit", *WORDS]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, start_new_session=True, **pipes
        )

    return started


def kill_at(process: subprocess.Popen[str], cache: Path, pattern: str, number: int) -> str:
    """Send a signal to all processes of a program as soon as its cache holds such a file."""
    until = time.monotonic() + 120
    while not list(cache.rglob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, number)
    return process.communicate(timeout=60)[0]


@pytest.mark.slow
def test_four_plug_ins_are_killed_go_on_and_are_reported(start, tmp_path: Path, warm: str):
    kill_at(start(), tmp_path / "cache", "spectra-*/begun.safetensors", signal.SIGKILL)
    # While the first student is trained.
    said = kill_at(start(), tmp_path / "cache", "training-*", signal.SIGTERM)
    assert "spectra: going on at step" in said
    last = start(warm)
    said = last.communicate(timeout=120)[0]
    assert last.returncode == 0, said
    results = read_results(tmp_path / "out")
    learned, ridge = (part.protocol for part in results.parts)
    assert "uses_hints=['lr']" in learned
    assert ridge == "small_hard+crop=None+evaluator=ridge:Ridge"
    means = {p.protocol: p.mean(p.rows[0]) for p in results.parts}
    assert all(score and score.mean > 0.9 for score in means.values())
    made = SyntheticSet.load(tmp_path / "out" / "synthetic")
    assert made.images.is_floating_point()
    assert made.hints == {"lr": pytest.approx(0.05)}
    assert read_json(tmp_path / "out" / "summary.json")["groups"][0]["n"] == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert "learned:Spectra" in page
    assert "ridge:Ridge" in page
