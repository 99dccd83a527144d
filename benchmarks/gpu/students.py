"""Students' images per second: on constant data, behind the pipeline, and several at once."""

from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq
import torch

from benchmarks.gpu.device import forget_peak, peak_gib
from benchmarks.gpu.part import Options
from benchmarks.pipeline import rates, together
from ddoq import recipe
from ddoq.protocols.presets import preset
from ddoq.recipe.component import Block
from ddoq.run import Run

_IMAGES, _BATCH, _AT_ONCE = 1000, 128, 8
_SECONDS, _RUNS = 0.6, 2
# Below so many no further student is begun.
_LEAST_SECONDS = 5.0


def main(asked: Options) -> None:
    """Measure one student after the other, alone and together."""
    run = _run(asked)
    # Of all classes, as the files are sorted by them.
    last = len(run.images.train) - 1
    synthetic = run.images.subset(torch.linspace(0, last, min(_IMAGES, last + 1)).long())
    batch = max(8, round(_BATCH * asked.scale**0.5))
    protocol = preset("small_hard", steps=10**6, batch_size=batch, crop=[0.08, 1.0], flip=True)
    seconds = max(0.1, _SECONDS * asked.scale**0.5)
    asked.note({"data": run.recipe.data["name"], "image_size": run.image_size, "batch": batch})
    alone = rates.Options(batch_size=batch, student_seconds=seconds, runs=_RUNS)
    rows: list[dict[str, Any]] = []
    for block in run.recipe.students:
        if asked.seconds_left < _LEAST_SECONDS:
            rows.append({"student": str(block), "skipped": "no time left"})
        else:
            forget_peak(run.world.device)
            sources = {"ddoq": rates.ours(run, synthetic, protocol)}
            row = rates.with_student(run, block, synthetic, protocol, sources, alone)
            shown = {f"images_per_second_{k}": median(v) for k, v in row["rates"].items()}
            row |= {**shown, "peak_gib": peak_gib(run.world.device)}
            at_once = asked.scaled(_AT_ONCE, least=2)
            row["together"] = _together(run, block, at_once, batch, seconds)
            rows.append(row)
        asked.note({"students": rows})
        print(_line(rows[-1]), flush=True)


def _run(asked: Options) -> Run:
    width, depth = asked.scaled(128, least=16), 18 if asked.scale == 1 else 10
    students = (
        f"students=[{{name: convnet, depth: 3, width: {width}}}, "
        f"{{name: resnet, depth: {depth}, width: {width // 2}}}, "
        "{name: timm/test_vit, patch_size: 4}]"
    )
    given = ["recipe=digits"]
    if asked.data:
        data = _some(Path(asked.data), asked.folder / "data")
        given = ["recipe=cifar10_ablation", f"data.root={data}"]
    return Run(recipe.read([*given, "threads=null", students]).recipe)


def _some(source: Path, folder: Path) -> Path:
    """Copy pictures of every class from every file: to look through all takes too long."""
    folder.mkdir(exist_ok=True)
    for file in sorted(source.glob("*.parquet")):
        table = pq.read_table(file)
        every = max(1, len(table) // (2 * _IMAGES))
        pq.write_table(table.take(list(range(0, len(table), every))), folder / file.name)
    return folder


def _together(run: Run, block: Block, num: int, batch: int, seconds: float) -> dict[str, Any]:
    """Return the rate of several seeds in turn and at once; `vmap` keeps no batch statistics."""
    nets = [together.net_of(run, block, seed).to(run.world.device) for seed in range(num)]
    if any(b.numel() for b in nets[0].buffers()):
        return {"left_out": "it keeps batch statistics"}
    asked = together.Options(batch_size=batch, seconds=seconds, runs=_RUNS)
    found = together.compare(run, block, nets, asked)
    steps = {k: median(v) for k, v in found["steps_per_second"].items()}
    shown = {f"images_per_second_{k.replace(' ', '_')}": batch * v for k, v in steps.items()}
    ratio = steps["at once"] / steps["one after another"]
    return {"students": num, "difference": found["difference"], **shown, "ratio": ratio}


def _line(row: dict[str, Any]) -> str:
    """Say a row in a line."""
    if "skipped" in row:
        return f"{row['student']}: skipped, {row['skipped']}"
    alone = ", ".join(f"{median(v):.0f} images/s ({k})" for k, v in row["rates"].items())
    found = row["together"]
    if "left_out" in found:
        return f"{row['student']}: {alone}; not several at once: {found['left_out']}"
    rate = found["images_per_second_at_once"]
    return (
        f"{row['student']}: {alone}; {found['students']} at once {rate:.0f} images/s, "
        f"{found['ratio']:.2f} times as fast as in turn"
    )
