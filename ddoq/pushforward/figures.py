"""The figures of one set: how near its images come to the real ones. They are a cached stage."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.autoencoders.sizes import encoded
from ddoq.data.conversion import in_floats
from ddoq.data.encoding import LATENTS
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.stage import PRETRAIN, Stage
from ddoq.priors.quality import fid, precision, recall
from ddoq.pushforward.class_kid import ClassKID, class_kid
from ddoq.pushforward.distance import Distance, w2_of_classes
from ddoq.pushforward.judge import Judge
from ddoq.pushforward.memorization import Nearness, nearest, nearness, share_of_training
from ddoq.pushforward.real import REAL, Real, real_key, sample_like, to_nearest
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_FIGURES = Stage("pushforward/set", 4, (PRETRAIN, LATENTS, REAL))
_FILE = "figures.json"
_BATCH = 64
# The images of either side in KID, precision and recall, which compare all pairs.
_MOST = 4000
# FID's covariance of fewer images is mostly bias.
FEWEST_FOR_FID = 10_000
NEIGHBORS = 3


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How near a set's images come to the real ones. What was not measured is None."""

    w2_weights: Distance | None = None
    """W2 of the training latents and the images' latents, with the weights in the loss."""
    w2_uniform: Distance | None = None
    """The same with equal weights."""
    w2_of_class: tuple[Distance | None, ...] = ()
    """For each class, with the weights in the loss; None if its images have no weight."""
    kid: ClassKID | None = None
    fid: float | None = None
    precision: float | None = None
    recall: float | None = None
    in_class: float | None = None
    pixels: Nearness | None = None
    """How near the images come to single training images, in pixels."""
    of_training: float | None = None
    """The share of the images that are training images."""
    features: Nearness | None = None
    """The same in the teacher's features."""

    @classmethod
    def read(cls, file: Path) -> "Figures":
        """Read what `figures_of` wrote."""
        plain = read_json(file)
        kinds: dict[str, Any] = {"w2_weights": Distance, "w2_uniform": Distance, "kid": ClassKID}
        kinds |= {"pixels": Nearness, "features": Nearness}
        made = {k: kinds[k](**v) if k in kinds and v else v for k, v in plain.items()}
        made["w2_of_class"] = tuple(Distance(**d) if d else None for d in plain["w2_of_class"])
        return cls(**{f.name: made[f.name] for f in fields(cls)})


def figures_of(
    run: "Run", synthetic: SyntheticSet, real: Real, judge: Judge | None, *, encodes: bool
) -> Figures:
    """Return a set's figures, from the cache if they are there. `encodes` asks for W2."""

    def work(folder: Path) -> None:
        if judge:
            _ = run.teacher
        if encodes:
            # All ranks make these together; the first one uses them.
            _ = run.autoencoder, run.latents
        if run.world.is_first:
            found = _w2(run, synthetic) if encodes else {}
            found |= _near(run, synthetic, real, judge)
            write_json(folder / _FILE, asdict(Figures(**found)))

    key = {
        "set": synthetic.fingerprint,
        "real": real_key(run, judge),
        "latents": run.latents_key if encodes else None,
    }
    return Figures.read(run.stage(_FIGURES, key, work) / _FILE)


def _w2(run: "Run", synthetic: SyntheticSet) -> dict[str, Any]:
    encoded = encoded_again(run, synthetic.images)
    uniform = torch.ones_like(synthetic.weights)
    weighted, equal = (
        w2_of_classes(run.latents.latents, encoded, synthetic.labels, weights)
        for weights in (synthetic.weights, uniform)
    )
    return {
        "w2_weights": Distance.mean([*weighted.values()]),
        "w2_uniform": Distance.mean([*equal.values()]),
        "w2_of_class": tuple(weighted.get(label) for label in range(run.num_classes)),
    }


def encoded_again(run: "Run", images: Tensor) -> Tensor:
    """Return the latents of a set's images, made and rounded as those of the training images."""
    coder = run.autoencoder.to(run.world.device).eval()
    size = coder.image_size or run.image_size
    shape = coder.latent_shape(run.channels, size)
    parts: list[Tensor] = []
    for rows in torch.arange(len(images)).split(_BATCH):
        pixels = in_floats(images[rows])
        pixels, noise = pixels.to(run.world.device), None
        if coder.samples:
            noise = keyed.normal(keyed.seed_of("posterior of a set"), rows, shape).to(pixels)
        with torch.inference_mode():
            latents = encoded(coder, pixels, noise).float().cpu()
        parts.append(latents.to(getattr(torch, coder.dtype)).float())
    return torch.cat(parts)


def _near(run: "Run", synthetic: SyntheticSet, real: Real, judge: Judge | None) -> dict[str, Any]:
    """Compare a set with the training images, in pixels and in features."""
    images = synthetic.images
    found: dict[str, Any] = {}
    if images.shape[1:] == (run.channels, run.image_size, run.image_size):
        distances = to_nearest(run, images, run.images.pixels("train"))
        found["pixels"] = nearness(distances, real.pixels)
        found["of_training"] = share_of_training(distances)
    if judge is None:
        return found
    found["in_class"] = judge.share(images, synthetic.labels)
    own = judge.features(images)
    if own is None or real.train is None or real.features is None:
        return found
    found["features"] = nearness(nearest(own, [real.train]), real.features)
    labels = synthetic.labels
    rows = sample_like(labels, run.images.train.labels, most=max(_MOST, len(own)))
    return found | compared(real.train[rows], own, run.images.train.labels[rows], labels)


def compared(real: Tensor, own: Tensor, real_labels: Tensor, labels: Tensor) -> dict[str, Any]:
    """Compare features of real images with a set's, as far as the set is large enough."""
    found: dict[str, Any] = {}
    if min(len(real), len(own)) >= FEWEST_FOR_FID:
        found["fid"] = fid(real, own)
    of_real, of_own = (sample_like(labels, x, most=_MOST) for x in (real_labels, labels))
    real, real_labels, own, labels = (
        real[of_real],
        real_labels[of_real],
        own[of_own],
        labels[of_own],
    )
    found["kid"] = class_kid(real, own, real_labels, labels)
    if len(real) > NEIGHBORS:
        found["precision"] = precision(real, own, neighbors=NEIGHBORS)
    # The balls of a class with fewer images reach into other classes.
    if int(labels.unique(return_counts=True)[1].min()) > NEIGHBORS:
        found["recall"] = recall(real, own, neighbors=NEIGHBORS)
    return found
