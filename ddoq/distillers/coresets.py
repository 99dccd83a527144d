"""Which real images stand for a class? Rules that choose them by their features."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.images import Images, as_floats
from ddoq.distillers.spread import numbers
from ddoq.files.artifacts import join_tensors, read_tensors, write_tensors
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

Features = Literal["latents", "pixels", "teacher"]
# (features, k) -> rows.
Rule = Callable[[Tensor, int], Tensor]
# label -> (indices of its training images, their features).
_Read = Callable[[int], tuple[Tensor, Tensor]]

_BATCH = 256
# Numbers at a time: what a core's cache holds is summed ten times as fast.
_CHUNK = 2**16
_FILE = "rows.safetensors"


def herd(features: Float[Tensor, "n dim"], k: int) -> Int[Tensor, " m"]:
    """Choose rows one by one so that their mean stays nearest to the mean of all (Welling 2009).

    As in iCaRL (Algorithm 4), but no row is chosen twice. Of equals the first is taken; more rows
    than there are are all of them.
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

    The greedy 2-approximation of k-center (Gonzalez 1985) that Sener and Savarese (2018) select
    by. Of equals the first is taken; more rows than there are are all of them.
    """
    if min(k, len(features)) < 1:
        return torch.empty(0, dtype=torch.int64)
    chosen = [int(_squares(features, features.mean(0, dtype=torch.float64)).argmin())]
    gaps = _squares(features, features[chosen[0]])
    for _ in range(1, min(k, len(features))):
        # A copy of a chosen row has gap 0 and may still be chosen, the row itself may not.
        gaps[chosen[-1]] = -1
        chosen.append(int(gaps.argmax()))
        gaps = gaps.minimum(_squares(features, features[chosen[-1]]))
    return torch.tensor(chosen, dtype=torch.int64)


def _squares(features: Float[Tensor, "n dim"], point: Float[Tensor, " dim"]) -> Tensor:
    """Return |x - point|^2 of every row, equal for equal rows; sums in float64."""
    point = point.to(features.dtype)
    chunks = features.split(max(1, _CHUNK // features.shape[1]))
    return torch.cat([(x - point).square().sum(1, dtype=torch.float64) for x in chunks])


class Coreset:
    """Real training images of each class, chosen by a rule from their features."""

    def __init__(
        self,
        name: str,
        rule: Rule,
        *,
        images_per_class: int,
        budget: int | None,
        features: Features,
    ) -> None:
        self.name, self.images_per_class, self.budget = name, images_per_class, budget
        self._rule = rule
        self._features: Features = features

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return the chosen images; every seed has the same."""
        folder = run.stage("decoded/coreset", self._key(run), lambda work: self._choose(work, run))
        rows = read_tensors(folder / _FILE)["rows"]
        chosen = images.subset(rows, distiller=self.name, budget=self.budget)
        return replace(chosen, provenance={**chosen.provenance, "features": self._features})

    def parts(self, run: "Run") -> list[str]:
        """Return what makes the features."""
        of_features = {"latents": ["autoencoder"], "pixels": [], "teacher": ["teacher"]}
        return of_features[self._features]

    def stages(self, run: "Run") -> dict[str, dict[str, Any]]:
        """Return the keys of the latents, where they are the features, and of the choice."""
        latents = {"latents": run.latents_key} if self._features == "latents" else {}
        return {**latents, "decoded/coreset": self._key(run)}

    def _key(self, run: "Run") -> dict[str, Any]:
        key: dict[str, Any] = {
            "rule": self.name,
            "features": self._features,
            "images": run.images.fingerprint,
            "images_per_class": self.images_per_class if self.budget is None else None,
            "budget": self.budget,
        }
        if self._features == "latents":
            key["latents"] = run.latents_key
        if self._features == "teacher":
            # A GPU adds up in another order.
            key |= {"teacher": run.key("teacher"), "device": run.world.device.type}
        return key

    def _choose(self, work: Path, run: "Run") -> None:
        """Choose class by class, one in memory at a time; ranks share them."""
        sizes = torch.bincount(run.images.train.labels, minlength=run.num_classes).tolist()
        wanted = numbers(sizes, images_per_class=self.images_per_class, budget=self.budget)
        parts = [work / f"class-{label:05d}.safetensors" for label in range(len(sizes))]
        read = _reader(self._features, run)
        with run.console.stage(f"choose images ({self.name})", len(sizes)) as bar:
            for label in run.world.share(range(len(sizes))):
                if not parts[label].exists():
                    indices, features = read(label)
                    rows = indices[self._rule(features, wanted[label])]
                    write_tensors(parts[label], {"rows": rows})
                bar.advance(run.world.size)
        run.world.barrier()
        if run.world.is_first:
            join_tensors(work / _FILE, parts, ["rows"])
            for part in parts:
                part.unlink()


def _reader(kind: Features, run: "Run") -> _Read:
    """Return what reads a class's indices and features; all ranks call this together."""
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


def herding(
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    features: Literal["latents", "pixels", "teacher"] = "latents",
) -> Coreset:
    """Keep the real images whose running mean is nearest to the mean of their class.

    Nothing is drawn: the set is the same for each seed. A `budget` is spread evenly.
    """
    settings: dict[str, Any] = {"images_per_class": images_per_class, "budget": budget}
    return Coreset("herding", herd, features=features, **settings)


def k_center(
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    features: Literal["latents", "pixels", "teacher"] = "latents",
) -> Coreset:
    """Keep the real images that leave no image of their class far from all of them.

    Nothing is drawn: the set is the same for each seed. A `budget` is spread evenly.
    """
    settings: dict[str, Any] = {"images_per_class": images_per_class, "budget": budget}
    return Coreset("k_center", farthest_first, features=features, **settings)
