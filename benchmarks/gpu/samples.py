"""10,000 samples of the prior at each guidance: FID, KID, and how many the teacher knows."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.cifar import needed, open_run
from benchmarks.gpu.device import wait
from benchmarks.gpu.part import Options
from ddoq.data.images import as_bytes
from ddoq.decoders.blocks import Block, Decoder
from ddoq.priors.quality import features_of, fid, kid
from ddoq.priors.samples import in_class, write_grid
from ddoq.run import Run

GUIDANCES = (1.0, 1.5, 2.0, 3.0)
_SAMPLES, _ROUNDS, _SHOWN = 10_000, 10, 10
_BATCH = 500
# What torch-fidelity publishes; the name says which bytes they are.
_INCEPTION = "pt_inception-2015-12-05-6726825d.pth"


def main(asked: Options) -> None:
    """Draw in rounds, every guidance in turn, and note the figures after each."""
    dtype = "bfloat16" if torch.cuda.is_available() else "float32"
    prior, teacher = needed(asked, "prior"), needed(asked, "teacher")
    sources = (f"prior.source={prior}", f"teacher.source={teacher}", f"prior.dtype={dtype}")
    run = open_run(asked, *sources)
    number = asked.scaled(_SAMPLES // _ROUNDS, least=20) // run.num_classes * run.num_classes
    judges = {"teacher": run.teacher.features, **_inception(asked, run)}
    real = _Real(run, judges, asked.scaled(_SAMPLES, least=200))
    asked.note({"real_test_images": real.floor(), "teacher": {"real_in_class": real.in_class}})
    drawn: dict[float, list[Tensor]] = {guidance: [] for guidance in GUIDANCES}
    seconds = dict.fromkeys(GUIDANCES, 0.0)
    for turn in range(_ROUNDS):
        start = time.perf_counter()
        for guidance in GUIDANCES:
            images, took = _draw(run, guidance, turn, number)
            drawn[guidance].append(images)
            seconds[guidance] += took
        if turn == 0:
            _show(asked, [images[0] for images in drawn.values()], run.num_classes)
        rows = [_judged(run, real, g, drawn[g], seconds[g]) for g in GUIDANCES]
        asked.note({"rows": rows})
        print("\n".join(map(_line, rows)), flush=True)
        if asked.seconds_left < 1.3 * (time.perf_counter() - start):
            break


class _Real:
    """Real images in the judges' features: the reference, and what unseen ones come to."""

    def __init__(self, run: Run, judges: dict[str, Any], number: int) -> None:
        self._run, self.judges = run, judges
        pixels = run.images.pixels("train")
        chosen = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))[:number]
        self._train = {name: self.features(name, pixels[chosen]) for name in judges}
        self._test = run.images.pixels("test")
        self.in_class = in_class(run.teacher, self._test, run.images.test.labels)

    def features(self, name: str, images: Tensor) -> Tensor:
        """Return a judge's features of images in 8 bits."""
        device = self._run.world.device
        return features_of(self.judges[name], (x.to(device) for x in images.split(_BATCH)))

    def far(self, name: str, images: Tensor) -> dict[str, float]:
        """Return how far images are from real training images, by a judge."""
        found, real = self.features(name, images), self._train[name]
        # In any order, as the blocks of KID must not be classes.
        found = found[torch.randperm(len(found), generator=torch.Generator().manual_seed(0))]
        mean, error = kid(real, found, block=min(1000, len(found)))
        return {"fid": fid(real, found), "kid": mean, "kid_error": error}

    def floor(self) -> dict[str, Any]:
        """Return how far real images are that the prior has not seen."""
        number = len(self._test)
        return {name: {"n": number, **self.far(name, self._test)} for name in self.judges}


def _draw(run: Run, guidance: float, turn: int, number: int) -> tuple[Tensor, float]:
    """Draw one round's samples, as many of each class; return them and the seconds."""
    settings = {**run.recipe.decoder, "start": "noise", "guidance": guidance, "block": _BATCH}
    decoder: Decoder = run.make("decoder", settings)
    each, labels = number // run.num_classes, _labels(run, number)
    numbers = torch.arange(each).repeat(run.num_classes) + turn * each
    start = time.perf_counter()
    with torch.inference_mode():
        parts = [
            as_bytes(decoder.decode(Block(torch.zeros(len(y)), y, k))).cpu()
            for y, k in zip(labels.split(_BATCH), numbers.split(_BATCH), strict=True)
        ]
    wait(run.world.device)
    return torch.cat(parts), time.perf_counter() - start


def _labels(run: Run, number: int) -> Tensor:
    """Return the labels of one round, class by class."""
    return torch.arange(run.num_classes).repeat_interleave(number // run.num_classes)


def _judged(
    run: Run, real: _Real, guidance: float, rounds: list[Tensor], seconds: float
) -> dict[str, Any]:
    images = torch.cat(rounds)
    labels = _labels(run, len(rounds[0])).repeat(len(rounds))
    return {
        "guidance": guidance,
        "n": len(images),
        "images_per_second": len(images) / seconds,
        "in_class": in_class(run.teacher, images, labels),
        "far": {name: real.far(name, images) for name in real.judges},
    }


def _line(row: dict[str, Any]) -> str:
    far = "; ".join(
        f"{name}: FID {f['fid']:.3g}, KID {f['kid']:.3g} ± {f['kid_error']:.1g}"
        for name, f in row["far"].items()
    )
    return (
        f"guidance {row['guidance']:g}, n = {row['n']}: {row['in_class']:.1%} in their class; "
        f"{far}; {row['images_per_second']:.0f} images/s"
    )


def _show(asked: Options, rounds: list[Tensor], num_classes: int) -> None:
    """Leave a picture: for each guidance a block of rows, one a class."""
    shown = [
        images.view(num_classes, -1, *images.shape[1:])[:, :_SHOWN].flatten(0, 1)
        for images in rounds
    ]
    columns = min(_SHOWN, len(rounds[0]) // num_classes)
    with asked.leaving("samples.png") as temporary:
        write_grid(temporary, torch.cat(shown), columns=columns)


def _inception(asked: Options, run: Run) -> dict[str, Any]:
    """Return Inception's features, where its weights lie beside the data."""
    file = Path(asked.data) / _INCEPTION
    if not asked.data or not file.is_file():
        asked.note({"inception": f"no {_INCEPTION} beside the data: left out"})
        return {}
    from torchmetrics.image.fid import NoTrainInceptionV3

    net: nn.Module = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(file))
    return {"inception": net.to(run.world.device)}
