"""The samples of a recipe's prior at several guidances, beside real images.

    python -m benchmarks.prior recipe=NAME [overrides] -- [samples=1000] [guidances=1,1.5,2,3]

The guidance is chosen by FID to the validation images' features, and so not by what is reported:
the share of samples that the teacher puts in their class, and FID and KID to training images.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.prior.drawing import Drawn
from benchmarks.prior.judge import Judge, line, teacher_features
from benchmarks.quantizer import measure
from ddoq import command, recipe
from ddoq.files.artifacts import write_json
from ddoq.priors.quality import features_of, fid
from ddoq.recipe import arguments
from ddoq.run import Run


@dataclass(frozen=True)
class Options:
    """What may be set after `--`."""

    samples: int = 1000
    guidances: tuple[str, ...] = ("1", "1.5", "2", "3")
    block: int = 100
    seeds: int = 3
    out: Path = Path("prior.json")


def main(argv: list[str]) -> None:
    """Draw, judge, print, and save every value."""
    cut = argv.index("--") if "--" in argv else len(argv)
    asked = arguments.read(Options, argv[cut + 1 :], "prior")
    run = Run(recipe.read(argv[:cut]).recipe)
    about = measure.machine(torch.get_num_threads(), ("torch", "diffusers"))
    measure.show_machine(about)
    features = teacher_features(run)
    judge = Judge(run, {"teacher": features}, number=len(run.images.train))
    rows = {f"real, {split}": judge.real(split) for split in ("val", "test")}
    val = features_of(features, run.images.pixels("val").split(500))
    for guidance in map(float, asked.guidances):
        for seed in range(asked.seeds):
            drawn = Drawn(guidance)
            drawn.add(run, asked.samples // run.num_classes, block=asked.block, seed=seed)
            row = judge.judged(drawn.images, torch.cat(drawn.labels))
            near = fid(val, features_of(features, drawn.images.split(500)))
            rows[f"guidance {guidance:g}, seed {seed}"] = {
                **row,
                "guidance": guidance,
                "fid_to_val": near,
                "images_per_second": drawn.images_per_second,
            }
    for name, row in rows.items():
        print(line(name, row))
    best = _best(rows)
    print(f"chosen by FID to the validation images: guidance {best:g}")
    write_json(asked.out, {"machine": about, "rows": rows, "chosen": best})


def _best(rows: dict[str, dict[str, Any]]) -> float:
    """Return the guidance of the least mean FID to validation images."""
    found: dict[float, list[float]] = {}
    for row in rows.values():
        if "guidance" in row:
            found.setdefault(row["guidance"], []).append(row["fid_to_val"])
    return min(found, key=lambda g: sum(found[g]) / len(found[g]))


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
