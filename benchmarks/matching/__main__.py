"""Seconds of a step and the largest memory of `dm` and `dsa`, beside the authors' own code.

    python -m benchmarks.matching peer=FOLDER [method=dm|dsa] [images_per_class=10] [batch_size=256]
        [width=128] [outer=0] [inner=1] [steps=3] [rounds=5] [threads=2] [out=matching.json]

FOLDER is a checkout of github.com/VICO-UoE/DatasetCondensation, of which the functions and the
order of its scripts are used. Each side is a process of its own. They take turns, some steps at a
time, in alternating order, on ten classes of noise of 3 x 32 x 32. The first round is not counted.
Where there is a GPU, both use it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.matching.options import Options
from benchmarks.matching.peer import refuse_other
from benchmarks.quantizer import measure
from ddoq import command
from ddoq.errors import ResourceError
from ddoq.files.artifacts import write_json
from ddoq.recipe import arguments

SIDES = ("ours", "peer")


def main(argv: list[str]) -> None:
    """Measure both sides in turn, show medians, ratios and memory, and save every value."""
    asked = arguments.read(Options, argv, "matching")
    refuse_other(asked.peer)
    about = measure.machine(asked.threads, ("torch", "lightning"))
    measure.show_machine(about)
    children = {side: _started(side, argv) for side in SIDES}
    told: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(1 + asked.rounds):
        for side in SIDES if number % 2 else SIDES[::-1]:
            told[side].append(_asked(children[side], side))
    memory = {side: _asked(child, side) for side, child in children.items()}
    for child in children.values():
        child.communicate()
    show(
        {
            kind: {s: [t[kind] / asked.steps for t in rounds[1:]] for s, rounds in told.items()}
            for kind in ("seconds", "of_cores")
        },
        memory,
    )
    settings = {k: str(v) for k, v in vars(asked).items() if k not in ("peer", "out")}
    rows = {"rounds": told, "memory": memory}
    write_json(asked.out, {"machine": about, "settings": settings, **rows})


def _started(side: str, argv: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.matching.{side}", *argv],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _asked(child: "subprocess.Popen[str]", side: str) -> dict[str, Any]:
    """Ask for the next round, and return what is told of it."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise ResourceError(f"{side} ended with {child.wait()}", "see what it wrote above")
    return json.loads(line)


def show(seconds: dict[str, dict[str, list[float]]], memory: dict[str, dict[str, float]]) -> None:
    """Print a table of both sides, and the ratios of their rounds."""
    columns = [
        "s/step",
        "s/step of all cores",
        "largest memory, MB",
        "before the steps",
        "on a GPU",
    ]
    rows = [
        [
            side,
            *(measure.spread(of_kind[side]) for of_kind in seconds.values()),
            *(f"{memory[side][key]:.0f}" for key in ("peak_mb", "before_mb", "on_gpu_mb")),
        ]
        for side in SIDES
    ]
    ratios = [
        measure.spread([a / b for a, b in zip(*of_kind.values(), strict=True)])
        for of_kind in seconds.values()
    ]
    share = memory["ours"]["peak_mb"] / memory["peer"]["peak_mb"]
    rows.append(["ours / peer, by round", *ratios, f"{share:.2f}", "", ""])
    print(measure.markdown(["", *columns], rows))


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
