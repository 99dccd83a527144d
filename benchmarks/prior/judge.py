"""Real images in the features of a network, and how far others are from them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ddoq.priors.quality import features_of, fid, in_class, kid, precision, recall
from ddoq.run import Run

_BATCH = 500
# KID is the mean over ten blocks of images or more, of these sizes.
_LEAST_BLOCK, _MOST_BLOCK = 50, 1000
# Precision and recall compare with at most so many real images, as balls around them shrink.
_MOST_REAL = 5000


class Judge:
    """Compare images with real training images, by the teacher and in one or several features.

    Features of different networks never stand in one table: their distances have other units.
    """

    def __init__(
        self, run: Run, networks: Mapping[str, Callable[[Tensor], Tensor]], *, number: int
    ) -> None:
        self._run, self._networks = run, networks
        pixels = run.images.pixels("train")
        chosen = torch.randperm(len(pixels), generator=_generator())[:number]
        self._train = {name: self._features(name, pixels[chosen]) for name in networks}

    def real(self, split: str) -> dict[str, Any]:
        """Judge real images that the prior has not seen: what samples could come to at best."""
        return self.judged(self._run.images.pixels(split), self._run.images.split(split).labels)

    def judged(self, images: Tensor, labels: Tensor) -> dict[str, Any]:
        """Return the share in class; FID, KID, precision and recall to real training images."""
        return {
            "n": len(images),
            "in_class": in_class(self._run.teacher, images, labels),
            "far": {name: self._far(name, images) for name in self._networks},
        }

    def _far(self, name: str, images: Tensor) -> dict[str, float | None]:
        found, real = self._features(name, images), self._train[name]
        # In any order, as the blocks of KID must not be classes.
        found = found[torch.randperm(len(found), generator=_generator())]
        block = max(_LEAST_BLOCK, min(_MOST_BLOCK, min(len(found), len(real)) // 10))
        mean, error = kid(real, found, block=block)
        some = real[:_MOST_REAL]
        return {
            "fid": fid(real, found),
            "kid": mean,
            "kid_error": error,
            "precision": precision(some, found),
            "recall": recall(some, found),
        }

    def _features(self, name: str, images: Tensor) -> Tensor:
        device = self._run.world.device
        return features_of(self._networks[name], (x.to(device) for x in images.split(_BATCH)))


def teacher_features(run: Run) -> Callable[[Tensor], Tensor]:
    """Return the teacher's features of images in 8 bits."""
    teacher = run.teacher
    return lambda images: teacher.features(images / 255)


def line(name: str, row: Mapping[str, Any]) -> str:
    """Return one row as a line of text."""
    far = "; ".join(
        f"{features}: FID {f['fid']:.3g}, KID {f['kid']:.3g}"
        + (f" ± {f['kid_error']:.1g}" if f["kid_error"] is not None else "")
        + f", precision {f['precision']:.2f}, recall {f['recall']:.2f}"
        for features, f in row["far"].items()
    )
    speed = f"; {row['images_per_second']:.0f} images/s" if "images_per_second" in row else ""
    return f"{name}, n = {row['n']}: {row['in_class']:.1%} in their class; {far}{speed}"


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
