"""DiT-XL/2's shape, 50 DDIM steps under guidance: images/s by block, precision and compile.

A setting is timed over its own steps and the autoencoder once; images/s are those of 50 steps. The
first setting is timed over all 50, so that the sum is checked.
"""

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.utils import logging
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.device import forget_peak, peak_gib, seconds_of, world
from benchmarks.gpu.part import Options
from benchmarks.gpu.pipeline import random_pipeline
from ddoq.autoencoders.kl import KL
from ddoq.data.imagenet import imagenet_ids
from ddoq.decoders.diffusion import Diffusion
from ddoq.priors.dit import DiTPrior
from ddoq.priors.network import Network
from ddoq.quantize.blocks import PointBlock

_STEPS, _TIMED_STEPS, _WARM_STEPS = 50, 10, 2
_GUIDANCE = 4.0
_NOMINAL = 989e12
# How much longer than in bfloat16 a step is thought to take, to know beforehand what fits.
_SLOWER = {"bfloat16": 1.0, "tf32": 2.5, "float32": 12.0}
# One block is compiled for all 28.
_COMPILE_SECONDS = 12.0


@dataclass(frozen=True)
class Setting:
    """What is varied."""

    precision: str
    block: int
    compile: bool = False
    steps: int = _TIMED_STEPS


# The most worthwhile first.
SETTINGS = (
    Setting("bfloat16", 64, steps=_STEPS),
    Setting("bfloat16", 64, compile=True),
    Setting("bfloat16", 16),
    Setting("bfloat16", 128),
    Setting("bfloat16", 32),
    Setting("tf32", 64),
    Setting("float32", 16),
)


@dataclass(frozen=True)
class _Bench:
    """What all settings share."""

    prior: DiTPrior
    model: Any
    """The transformer in single precision, of which every setting gets a copy."""
    autoencoder: KL
    device: torch.device
    flops: float
    """Of an image of 50 steps."""
    ceiling: float
    """FLOP/s of a large product of matrices in bfloat16."""


def main(asked: Options) -> None:
    """Measure one setting after the other, as long as there is time."""
    # It warns whenever a model is cast, with an empty list of what should not be.
    logging.set_verbosity_error()
    device = world().device
    ceiling = _ceiling(device, asked.scaled(8192, least=256))
    asked.note({"bfloat16_matmul_tflops": ceiling / 1e12})
    bench = _bench(asked, device, ceiling)
    asked.note({"tflop_an_image": bench.flops / 1e12, "seconds_left": asked.seconds_left})
    print(f"bf16 product: {ceiling / 1e12:.1f} TFLOP/s; {bench.flops / 1e12:.4g} TFLOP an image")
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        row = _described(setting, asked.scale)
        row |= _tried(bench, row, setting, _expected(rows, row), asked.seconds_left)
        rows.append(row)
        asked.note({"settings": rows})
        print(_line(row), flush=True)


def _ceiling(device: torch.device, size: int) -> float:
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    repeats = 20 if device.type == "cuda" else 1

    def work() -> None:
        for _ in range(repeats):
            a @ b

    return repeats * 2 * size**3 / min(seconds_of(work, device) for _ in range(4))


def _bench(asked: Options, device: torch.device, ceiling: float) -> _Bench:
    folder = str(random_pipeline(asked, device))
    prior = DiTPrior(source=folder).to(device)
    autoencoder = KL(source=folder, subfolder="vae").to(device)
    model = prior.network.model
    side = model.config.sample_size
    x, label = torch.zeros(1, 4, side, side, device=device), torch.zeros(1, device=device).long()
    with torch.inference_mode(), FlopCounterMode(display=False) as forward:
        model(x, timestep=label, class_labels=label)
    with torch.inference_mode(), FlopCounterMode(display=False) as decode:
        autoencoder.decode(x)
    flops = 2 * _STEPS * forward.get_total_flops() + decode.get_total_flops()
    return _Bench(prior, model, autoencoder, device, flops, ceiling)


def _described(setting: Setting, scale: float) -> dict[str, Any]:
    block = max(2, round(setting.block * scale**0.5))
    return {"precision": setting.precision, "block": block, "compile": setting.compile}


def _expected(rows: list[dict[str, Any]], row: dict[str, Any]) -> float:
    """Return the seconds that a setting will take at most, from the first; 0 for that one."""
    first = next((r for r in rows if "step_seconds" in r), None)
    if first is None:
        return 0.0
    steps = (_WARM_STEPS + _TIMED_STEPS) * first["step_seconds"] * _SLOWER[row["precision"]]
    decodes = 3 * first["autoencoder_seconds"] * (_SLOWER[row["precision"]] > 1) + 1
    extra = _COMPILE_SECONDS if row["compile"] else 1.0
    return (steps + decodes) * row["block"] / first["block"] + extra


def _tried(
    bench: _Bench, row: dict[str, Any], setting: Setting, expected: float, left: float
) -> dict[str, Any]:
    """Return what was found, or why nothing was."""
    if setting.compile and bench.device.type == "cpu":
        return {"skipped": "nothing is compiled for a CPU"}
    if expected > left:
        return {"skipped": f"it takes about {expected:.0f} s, {left:.0f} s are left"}
    try:
        return _measured(bench, row["block"], setting)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    finally:
        forget_peak(bench.device)


def _measured(bench: _Bench, num: int, setting: Setting) -> dict[str, Any]:
    _set_precision(bench, setting)
    side = bench.model.config.sample_size
    places = torch.arange(num)
    block = PointBlock(torch.zeros(num, 4, side, side), places % 10, places // 10)
    forget_peak(bench.device)
    warm = seconds_of(lambda: _decoded(bench, block, _WARM_STEPS), bench.device)
    images: list[torch.Tensor] = []
    seconds = seconds_of(lambda: images.append(_decoded(bench, block, setting.steps)), bench.device)
    latents = torch.randn(num, 4, side, side, device=bench.device)
    with torch.inference_mode():
        last = seconds_of(lambda: bench.autoencoder.decode(latents), bench.device)
    step = (seconds - last) / setting.steps
    rate = num / (_STEPS * step + last)
    return {
        "images_per_second": rate,
        "tflops": rate * bench.flops / 1e12,
        "share_of_measured_ceiling": rate * bench.flops / bench.ceiling,
        "share_of_nominal_ceiling": rate * bench.flops / _NOMINAL,
        "peak_gib": peak_gib(bench.device),
        "steps_timed": setting.steps,
        "step_seconds": step,
        "autoencoder_seconds": last,
        "first_call_seconds": warm,
        "finite": bool(images[0].isfinite().all()),
    }


def _set_precision(bench: _Bench, setting: Setting) -> None:
    """Give the prior a network of the setting; the autoencoder stays in single precision."""
    dtype = torch.bfloat16 if setting.precision == "bfloat16" else torch.float32
    # Convolutions round to TF32 by default, products of matrices do not.
    torch.set_float32_matmul_precision("high" if setting.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = setting.precision != "float32"
    model = copy.deepcopy(bench.model).to(dtype)
    bench.prior.network = Network(model, compile=setting.compile)


def _decoded(bench: _Bench, block: PointBlock, steps: int) -> torch.Tensor:
    images: Any = SimpleNamespace(class_ids=imagenet_ids())
    settings: dict[str, Any] = {"steps": steps, "guidance": _GUIDANCE, "start": "noise"}
    decoder = Diffusion(bench.autoencoder, bench.prior, images, _no_guide, 0, **settings)
    with torch.inference_mode():
        return decoder.decode(block)


def _no_guide(*_: Any) -> Any:
    raise AssertionError("no component is made")


def _line(row: dict[str, Any]) -> str:
    """Say a row in a line."""
    what = f"{row['precision']}, block {row['block']}{', compiled' if row['compile'] else ''}"
    if "skipped" in row:
        return f"{what}: skipped, {row['skipped']}"
    if "out_of_memory" in row:
        return f"{what}: out of memory"
    return (
        f"{what}: {row['images_per_second']:.3g} images/s, {row['tflops']:.3g} TFLOP/s, "
        f"{row['share_of_measured_ceiling']:.1%} of the measured ceiling, "
        f"{row['share_of_nominal_ceiling']:.1%} of 989, peak {row['peak_gib']} GiB, "
        f"first call {row['first_call_seconds']:.1f} s"
    )
