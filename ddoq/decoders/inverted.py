"""Latents carried back to noisy ones along the prior's ODE, so that points are found there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq.data.encoding import LATENTS
from ddoq.data.latents import LatentStore
from ddoq.decoders.inversion import inverted
from ddoq.decoders.sampling import Predict, Sampler
from ddoq.decoders.starts import first_step
from ddoq.errors import IntegrityError, ResourceError, is_out_of_memory
from ddoq.files.artifacts import write_json
from ddoq.files.stage import PRETRAIN, Stage
from ddoq.files.tensors import write_tensors
from ddoq.priors.conditions import Conditions
from ddoq.priors.schedule import Schedule
from ddoq.priors.space import refuse_shape

if TYPE_CHECKING:
    from ddoq.run import Run

INVERTED = Stage("inverted", 2, (PRETRAIN, LATENTS))
_BATCH = 256


@dataclass(frozen=True)
class Inversion:
    """How far latents are carried back, and in how many steps."""

    steps: int
    strength: float
    scheduler: str | None
    prompt: str = "{}"

    @property
    def key(self) -> dict[str, Any]:
        """The settings, with the version of the code."""
        return {"version": INVERTED.version, **vars(self)}


def open_inverted(run: "Run", inversion: Inversion) -> LatentStore:
    """Open a run's inverted latents, a shard for each class. Ranks share the classes."""

    def work(folder: Path) -> None:
        prior = run.clean.prior
        conditions = prior.conditions(run.images, inversion.prompt, None)
        size = run.autoencoder.image_size or run.image_size
        refuse_shape(prior.shape, run.autoencoder.latent_shape(run.channels, size))
        store = run.clean.latents
        counts = store.counts
        with run.console.stage("invert latents", sum(counts)) as bar:
            for label in run.world.share(range(len(counts))):
                file = folder / _name(label)
                if not file.exists():
                    latents = store.latents(label).float()
                    found = _of_class(prior, latents, label, inversion, conditions)
                    _refuse_non_finite(found, run.images.class_names[label])
                    write_tensors(file, {"latents": found, "index": store.index(label)})
                bar.advance(counts[label] * run.world.size)
        if run.world.is_first:
            write_json(folder / "manifest.json", _manifest(store))

    return LatentStore.open(run.stage(INVERTED, run.latents_key, work))


def _of_class(
    prior: Any, latents: Tensor, label: int, inversion: Inversion, conditions: Conditions
) -> Tensor:
    """Invert the latents of a class, without guidance, in batches of the class's own."""

    def predict(x: Tensor, time: Tensor, _: float) -> Tensor:
        return prior.output(x, time, torch.full((len(x),), label), conditions)

    parts: list[Tensor] = []
    size, start = _BATCH, 0
    while start < len(latents):
        try:
            batch = latents[start : start + size].to(prior.device)
            parts.append(_noisy(batch, prior.schedule, inversion, predict))
            start += size
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise ResourceError(
                    "invert: a single latent does not fit into the memory of the device",
                    "set prior.dtype=bfloat16",
                ) from error
            size //= 2
    return torch.cat(parts)


def _noisy(batch: Tensor, schedule: Schedule, inversion: Inversion, predict: Predict) -> Tensor:
    """Return latents carried back, as the decoder's start `noisy` takes them."""
    sampler = Sampler.of(
        schedule,
        inversion.scheduler,
        steps=inversion.steps,
        first=first_step(inversion.steps, inversion.strength),
    )
    with torch.inference_mode():
        found = inverted(batch, sampler, predict)
    # What the network sees at that time.
    at = sampler.level(0)
    return (at.clean * found.clean + at.noise * found.noise).cpu()


def _refuse_non_finite(latents: Tensor, name: str) -> None:
    if not bool(latents.isfinite().all()):
        raise IntegrityError(
            f"invert: class {name!r} has latents that are not finite",
            "use full precision: prior.dtype=float32",
        )


def _manifest(store: LatentStore) -> dict[str, Any]:
    classes = [
        {**entry, "shard": _name(label), "start": 0}
        for label, entry in enumerate(store.manifest["classes"])
    ]
    kept = {k: v for k, v in store.manifest.items() if k not in ("files", "dtype", "classes")}
    return {**kept, "dtype": "float32", "classes": classes}


def _name(label: int) -> str:
    return f"class-{label:05d}.safetensors"
