"""Coresets: real images of each class, chosen by a rule from their features."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.distillers.ddoq import DECODED
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.weighting import of_real
from ddoq.files.stage import Planned
from ddoq.files.tensors import join_tensors, read_tensors, write_tensors
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

Features = Literal["latents", "pixels", "teacher"]
# From features and a number k to the rows that are chosen.
SelectionRule = Callable[[Tensor, int], Tensor]
# From a label to the indices of its training images and their features.
_Read = Callable[[int], tuple[Tensor, Tensor]]

_BATCH = 256
# This many numbers are summed at a time: those that fit in a core's cache are summed ten times as
# fast.
_CHUNK = 2**16
_FILE = "rows.safetensors"
# The choice is as old as the images that points are decoded to.
_CHOSEN = DECODED.part("coreset")


def herd(features: Float[Tensor, "n dim"], k: int) -> Int[Tensor, " m"]:
    """Choose rows one by one so that their mean stays nearest to the mean of all (Welling 2009).

    This is Algorithm 4 of iCaRL, except that no row is chosen twice. Of equal rows the first is
    taken. If k exceeds the number of rows, all are returned.
    """
    mean = features.mean(0, dtype=torch.float64)
    total, is_free = torch.zeros_like(mean), torch.ones(len(features), dtype=torch.bool)
    chosen: list[int] = []
    for number in range(1, min(k, len(features)) + 1):
        errors = _squares(features, number * mean - total)
        row = int(torch.where(is_free, errors, torch.inf).argmin())
        total += features[row]
        is_free[row] = False
        chosen.append(row)
    return torch.tensor(chosen, dtype=torch.int64)


def farthest_first(features: Float[Tensor, "n dim"], k: int) -> Int[Tensor, " m"]:
    """Choose the row nearest to the mean, then always the one farthest from all chosen.

    This is the greedy 2-approximation of k-center (Gonzalez 1985) by which Sener and Savarese
    (2018) select. Of equal rows the first is taken. If k exceeds the number of rows, all are
    returned.
    """
    if min(k, len(features)) < 1:
        return torch.empty(0, dtype=torch.int64)
    chosen = [int(_squares(features, features.mean(0, dtype=torch.float64)).argmin())]
    gaps = _squares(features, features[chosen[0]])
    for _ in range(1, min(k, len(features))):
        # A copy of a chosen row has gap 0 and may still be chosen. The row itself may not.
        gaps[chosen[-1]] = -1
        chosen.append(int(gaps.argmax()))
        gaps = gaps.minimum(_squares(features, features[chosen[-1]]))
    return torch.tensor(chosen, dtype=torch.int64)


def _squares(features: Float[Tensor, "n dim"], point: Float[Tensor, " dim"]) -> Tensor:
    """Return |x - point|^2 of every row, summed in float64. Equal rows have equal distances."""
    point = point.to(features.dtype)
    chunks = features.split(max(1, _CHUNK // features.shape[1]))
    return torch.cat([(x - point).square().sum(1, dtype=torch.float64) for x in chunks])


class Coreset(Distiller):
    """Real training images of each class, chosen from their features by `select`."""

    def __init__(self, name: str, *, size: Size, features: Features, class_prior: str) -> None:
        self.name, self.size, self.class_prior = name, size, class_prior
        self._features: Features = features

    def select(self, features: Tensor, k: int, *purpose: int) -> dict[str, Tensor]:
        """Return the chosen `rows` of a class, and what else is known of each.

        A draw is a function of `purpose`, the seed and the class.
        """
        raise NotImplementedError

    def weights(
        self,
        chosen: dict[str, Tensor],
        labels: Int[Tensor, " n"],
        counts: Int[Tensor, " classes"],
    ) -> Float[Tensor, " n"]:
        """Weight all chosen images of a class alike."""
        return of_real(labels, counts, self.class_prior)

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the chosen images."""
        work = functools.partial(self._choose, run=run, seed=seed)
        folder = run.stage(_CHOSEN, self.key(run, seed), work)
        found = read_tensors(folder / _FILE)
        rows = found["rows"]
        weights = self.weights(found, images.train.labels[rows], images.counts)
        chosen = images.subset(rows, weights, distiller=self.name, size=self.size)
        return replace(chosen, provenance={**chosen.provenance, "features": self._features})

    def parts(self, run: "Run") -> list[str]:
        """Return the parts that the features are made with."""
        of_features = {"latents": ["autoencoder"], "pixels": [], "teacher": ["teacher"]}
        return of_features[self._features]

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return the latents, if they are the features, and the choice."""
        latents = [run.planned_latents] if self._features == "latents" else []
        number, what = sum(self.numbers(run)), f"coreset ({self.name})"
        return [*latents, Planned(_CHOSEN, self.key(run, seed), what, number=number)]

    def key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines the choice."""
        key: dict[str, Any] = {
            "rule": self.name,
            "features": self._features,
            "images": run.images.fingerprint,
            **self.size.key,
        }
        if self._features == "latents":
            key["latents"] = run.latents_key
        if self._features == "teacher":
            # A GPU adds up in a different order.
            key |= {"teacher": run.key("teacher"), "device": run.world.device.type}
        return key

    def _choose(self, work: Path, run: "Run", seed: int) -> None:
        """Choose class by class, with one in memory at a time; ranks share the classes."""
        sizes = torch.bincount(run.images.train.labels, minlength=run.num_classes).tolist()
        wanted = self.size.numbers(sizes)
        parts = [work / f"class-{label:05d}.safetensors" for label in range(len(sizes))]
        read = _reader(self._features, run)
        with run.console.stage(f"choose images ({self.name})", len(sizes)) as bar:
            for label in run.world.share(range(len(sizes))):
                if not parts[label].exists():
                    indices, features = read(label)
                    chosen = self.select(features, wanted[label], seed, label)
                    write_tensors(parts[label], {**chosen, "rows": indices[chosen["rows"]]})
                bar.advance(run.world.size)
        run.world.barrier()
        if run.world.is_first:
            join_tensors(work / _FILE, parts, list(read_tensors(parts[0])))
            for part in parts:
                part.unlink()


def _reader(kind: Features, run: "Run") -> _Read:
    """Return a function that reads a class's indices and features. All ranks must call this."""
    images = run.images
    if kind == "latents":
        store = run.latents
        return lambda label: (store.index(label), store.latents(label).flatten(1).float())
    teacher = run.teacher if kind == "teacher" else None

    def read(label: int) -> tuple[Tensor, Tensor]:
        indices = images.train.of_class(label)
        batches = (as_floats(images.some("train", rows)) for rows in indices.split(_BATCH))
        if teacher is not None:
            batches = (teacher(batch.to(run.world.device)).float().cpu() for batch in batches)
        return indices, torch.cat(list(batches)).flatten(1)

    return read


class Fixed(Coreset):
    """A coreset by a rule that draws nothing, so that every seed has the same."""

    redraws = "never"

    def __init__(self, name: str, rule: SelectionRule, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._rule = rule

    def select(self, features: Tensor, k: int, *purpose: int) -> dict[str, Tensor]:
        """Return the rows that the rule chooses."""
        return {"rows": self._rule(features, k)}


def herding(
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    features: Literal["latents", "pixels", "teacher"] = "latents",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Fixed:
    """Keep the real images whose running mean is nearest to the mean of their class.

    The choice is not random, so every seed has the same set. A `budget` is spread evenly.
    """
    settings: dict[str, Any] = {"features": features, "class_prior": class_prior}
    return Fixed("herding", herd, size=Size(images_per_class, budget), **settings)


def k_center(
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    features: Literal["latents", "pixels", "teacher"] = "latents",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Fixed:
    """Keep real images such that every image of the class is near to one of them.

    The choice is not random, so every seed has the same set. A `budget` is spread evenly.
    """
    settings: dict[str, Any] = {"features": features, "class_prior": class_prior}
    return Fixed("k_center", farthest_first, size=Size(images_per_class, budget), **settings)
