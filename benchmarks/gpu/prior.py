"""A pixel-space prior for CIFAR-10: as many steps as fit, compiled if that is faster."""

import dataclasses
from pathlib import Path

from benchmarks.gpu.cifar import card_of, leave_halved, open_run, weights_of
from benchmarks.gpu.device import forget_peak, peak_gib, seconds_of, world
from benchmarks.gpu.part import Options
from ddoq.priors.pretrain import PriorPretraining
from ddoq.priors.throughput import steps_per_second
from ddoq.run import Run

_MOST_SECONDS = 300.0
# A fifth goes to compiling again, to samples and validation on the way, and to leaving.
_SHARE, _RESERVE = 0.8, 15.0
# Compiling is worth its time where at least this much is left of it.
_COMPILE_SECONDS = 90.0


def main(asked: Options) -> None:
    """Measure both ways, train the faster one, leave the weights in half precision."""
    teacher = weights_of(asked, "teacher")
    run = open_run(asked, *([f"teacher.source={teacher}"] if teacher else []))
    settings = PriorPretraining(**run.recipe.pretrain["prior"])
    asked.note({"loading_seconds": seconds_of(lambda: run.images.pixels("train"), world().device)})
    rates = {"as it is": steps_per_second(run, settings)}
    asked.note({"steps_per_second": rates})
    if run.world.device.type == "cuda" and asked.seconds_left > 2 * _COMPILE_SECONDS:
        rates["compiled"] = _compiled_rate(asked, run, settings)
        asked.note({"steps_per_second": rates})
    fastest = max(rates, key=lambda name: rates[name])
    seconds = min(_MOST_SECONDS, asked.seconds_left - _RESERVE)
    steps = max(1, int(_SHARE * seconds * rates[fastest]))
    if asked.scale < 1:
        steps = min(steps, asked.scaled(12_000, least=20))
    run.recipe.pretrain["prior"] |= {"steps": steps, "compile": fastest == "compiled"}
    asked.note({"steps": steps, "samples_seen": steps * settings.batch_size})
    print(f"{steps} steps of {settings.batch_size}, {fastest}: {rates[fastest]:.1f} steps/s")
    forget_peak(run.world.device)
    folder = leave_halved(asked, _trained(asked, run))
    asked.note({"peak_gib": peak_gib(run.world.device), "card": card_of(folder)})


def _compiled_rate(asked: Options, run: Run, settings: PriorPretraining) -> float:
    """Return the rate of the compiled network; 0 where it cannot be compiled."""
    try:
        return steps_per_second(run, dataclasses.replace(settings, compile=True))
    except Exception as error:  # whatever a compiler makes of a network
        asked.note({"compiling_failed": f"{type(error).__name__}: {str(error)[:300]}"})
        return 0.0


def _trained(asked: Options, run: Run) -> Path:
    """Train; a training that is cut off leaves the weights of its last samples."""
    try:
        return run.pretrained("prior")
    except BaseException:
        for snapshot in asked.folder_of("cache").glob(".work/pretrain-prior-*/snapshot"):
            leave_halved(asked, snapshot)
            asked.note({"cut_off": "the weights are those of the last samples"})
        raise
