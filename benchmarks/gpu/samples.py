"""10,000 samples of the prior at each guidance: FID, KID, and how many the teacher knows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.cifar import needed, open_run
from benchmarks.gpu.part import Options
from benchmarks.prior.drawing import Drawn
from benchmarks.prior.judge import Judge, line, teacher_features
from ddoq.priors.samples import write_grid
from ddoq.run import Run

GUIDANCES = (1.0, 1.5, 2.0, 3.0)
_SAMPLES, _ROUNDS, _SHOWN = 10_000, 10, 10
_BLOCK = 500
# What torch-fidelity publishes; the name says which bytes they are.
_INCEPTION = "pt_inception-2015-12-05-6726825d.pth"


def main(asked: Options) -> None:
    """Draw in rounds, every guidance in turn, and note the figures after each."""
    dtype = "bfloat16" if torch.cuda.is_available() else "float32"
    prior, teacher = needed(asked, "prior"), needed(asked, "teacher")
    sources = (f"prior.source={prior}", f"teacher.source={teacher}", f"prior.dtype={dtype}")
    run = open_run(asked, *sources)
    networks = {"teacher": teacher_features(run), **_inception(asked, run)}
    judge = Judge(run, networks, number=asked.scaled(_SAMPLES, least=200))
    asked.note({"real_test_images": judge.real("test")})
    each = asked.scaled(_SAMPLES // _ROUNDS // run.num_classes, least=2)
    every = [Drawn(guidance) for guidance in GUIDANCES]
    for turn in range(_ROUNDS):
        start = time.perf_counter()
        for drawn in every:
            drawn.add(run, each, block=_BLOCK)
        if turn == 0:
            _show(asked, every, run.num_classes, min(each, _SHOWN))
        rows = [_row(judge, drawn) for drawn in every]
        asked.note({"rows": rows})
        print("\n".join(line(f"guidance {r['guidance']:g}", r) for r in rows), flush=True)
        if asked.seconds_left < 1.3 * (time.perf_counter() - start):
            break


def _row(judge: Judge, drawn: Drawn) -> dict[str, Any]:
    judged = judge.judged(drawn.images, torch.cat(drawn.labels))
    speed = {"images_per_second": drawn.images_per_second}
    return {"guidance": drawn.guidance, **judged, **speed}


def _show(asked: Options, every: list[Drawn], num_classes: int, columns: int) -> None:
    """Leave a picture: a row for each class, beside each other the guidances."""
    blocks = [drawn.rounds[0].unflatten(0, (num_classes, -1))[:, :columns] for drawn in every]
    together = torch.cat(blocks, 1).flatten(0, 1)
    with asked.leaving("samples.png") as temporary:
        write_grid(temporary, together, columns=columns * len(every))


def _inception(asked: Options, run: Run) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return Inception's features, where its weights lie beside the data."""
    file = Path(asked.data) / _INCEPTION
    if not asked.data or not file.is_file():
        asked.note({"inception": f"no {_INCEPTION} beside the data: left out"})
        return {}
    from torchmetrics.image.fid import NoTrainInceptionV3

    net: nn.Module = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(file))
    return {"inception": net.to(run.world.device)}
