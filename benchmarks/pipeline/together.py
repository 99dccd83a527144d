"""Are several seeds of a student trained faster at once than one after another, on one core?

    python -m benchmarks.pipeline together recipe=NAME [overrides] -- [students=4] [runs=5]

At once is `torch.func.vmap` over stacked weights, the one way that gives each seed its own; the
weights after some steps of both are compared. Networks with batch statistics are left out: `vmap`
does not keep them.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.pipeline.opened import opened
from benchmarks.pipeline.rates import IN_FLIGHT, wait
from ddoq.files.artifacts import write_json
from ddoq.recipe.component import Block
from ddoq.run import Run

_CHECKED = 5


@dataclass(frozen=True)
class Options:
    """What may be set after `--`."""

    students: int = 4
    batch_size: int = 64
    seconds: float = 4.0
    runs: int = 5
    threads: int = 1
    out: Path = Path("together.json")


def main(argv: list[str]) -> None:
    """Measure, print the rates and ratios, and save every value."""
    run, asked, about = opened(argv, Options, "together", ("torch", "timm"))
    device = run.world.device
    found: list[dict[str, Any]] = []
    for block in run.recipe.students:
        nets = [net_of(run, block, seed).to(device) for seed in range(asked.students)]
        if any(b.numel() for b in nets[0].buffers()):
            print(f"{block}: left out, it keeps batch statistics")
            continue
        found.append(compare(run, block, nets, asked))
        show(found[-1])
    write_json(asked.out, {"machine": about, "students": found})


def net_of(run: Run, block: Block, seed: int) -> nn.Module:
    """Return a student that a seed has initialized."""
    torch.manual_seed(seed)
    return run.make("student", block)


def compare(run: Run, block: Block, nets: list[nn.Module], asked: Options) -> dict[str, Any]:
    """Return the steps per second of both ways, and how far their weights are apart."""
    shape = (len(nets), asked.batch_size, run.channels, run.image_size, run.image_size)
    images = torch.randn(shape, device=run.world.device)
    labels = torch.randint(run.num_classes, shape[:2], device=run.world.device)
    stacked, _ = stack_module_state(nets)  # type: ignore[arg-type] # a list of modules
    weights = {k: p.detach().clone() for k, p in stacked.items()}
    ways = {
        "one after another": _in_turn(nets, images, labels),
        "at once": _at_once(nets[0], weights, images, labels),
    }
    for step in ways.values():
        for _ in range(_CHECKED):
            step()
    difference = max(
        float((net.get_parameter(k).detach() - p[i]).abs().max())
        for k, p in weights.items()
        for i, net in enumerate(nets)
    )
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.runs):
        for name, step in ways.items():
            rates[name].append(len(nets) * _rate(step, asked.seconds))
    return {"student": str(block), "difference": difference, "steps_per_second": rates}


def _in_turn(nets: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    def step() -> None:
        for net, x, y in zip(nets, images, labels, strict=True):
            own = list(net.parameters())
            found = torch.autograd.grad(F.cross_entropy(net(x), y), own)
            with torch.no_grad():
                for weight, gradient in zip(own, found, strict=True):
                    weight.sub_(gradient, alpha=0.01)

    return step


def _at_once(
    net: nn.Module, weights: dict[str, Tensor], images: Tensor, labels: Tensor
) -> Callable[[], None]:
    def loss(own: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(net, own, (x,)), y)

    gradients = vmap(grad(loss))

    def step() -> None:
        found = gradients(weights, images, labels)
        for name, weight in weights.items():
            weight.sub_(found[name], alpha=0.01)

    return step


def _rate(step: Callable[[], None], seconds: float) -> float:
    wait()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
        if steps % IN_FLIGHT == 0:
            wait()
    wait()
    return steps / (time.perf_counter() - start)


def show(row: dict[str, Any]) -> None:
    """Print medians, ranges and the ratio."""
    print(f"\n{row['student']}: weights differ by at most {row['difference']:.1e}")
    middle = {k: statistics.median(v) for k, v in row["steps_per_second"].items()}
    for name, values in row["steps_per_second"].items():
        print(f"  {name:18} {middle[name]:7.1f} steps/s [{min(values):.1f}-{max(values):.1f}]")
    print(f"  at once is {middle['at once'] / middle['one after another']:.2f} times as fast")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
