"""Who competes: a name, and a function from a class's latents to points."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from torch import Tensor

from ddoq import keyed
from ddoq.processes.forks import side_by_side
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.one_class import Shrinkage, quantize_class
from ddoq.quantize.shrinkage import Towards
from ddoq.quantize.study import Study
from ddoq.quantize.validation import cross_validate


@dataclass(frozen=True)
class Fit:
    """The latents to quantize, in both forms; making them is nobody's time."""

    half: Tensor
    """float16 `[n, dim]`, as a store has them: what ours starts from."""
    single: np.ndarray
    """float32 `[n, dim]`: what the peers start from."""


Contender = Callable[[Fit, int, int], np.ndarray]
"""(latents, number of points, seed) to points."""


def sklearn(restarts: int) -> Contender:
    """Return scikit-learn's KMeans with some restarts."""

    def points(fit: Fit, num_points: int, seed: int) -> np.ndarray:
        model = KMeans(num_points, n_init=restarts, random_state=seed)
        return model.fit(fit.single).cluster_centers_

    return points


def faiss_kmeans(fit: Fit, num_points: int, seed: int, *, stops_early: bool) -> np.ndarray:
    """Run faiss's Kmeans on all latents: 25 iterations, fewer where it may stop early.

    By default it stops once the objective no longer falls.
    """
    num, dim = fit.single.shape
    model = faiss.Kmeans(
        dim,
        num_points,
        niter=25,
        seed=seed + 1,
        min_points_per_centroid=1,
        max_points_per_centroid=num,
        early_stop_threshold=0.0 if stops_early else -1.0,
    )
    model.train(fit.single)
    return model.centroids


def d4m(fit: Fit, num_points: int, seed: int) -> np.ndarray:
    """Run D4M's scheme: one pass of mini-batch k-means over shuffled chunks of K latents.

    The last partial chunk is dropped, as in its code.
    """
    model = MiniBatchKMeans(n_clusters=num_points, random_state=0, n_init="auto")
    order = np.random.default_rng(seed).permutation(len(fit.single))
    for first in range(0, len(order) - num_points + 1, num_points):
        model.partial_fit(fit.single[order[first : first + num_points]])
    return model.cluster_centers_


def ours(fit: Fit, num_points: int, seed: int) -> np.ndarray:
    """Run ddoq's solver with its defaults."""
    return Lloyd()(fit.half, num_points, generator=keyed.generator("quantize", seed)).numpy()


def beside(fits: Sequence[Fit], num_points: int, seed: int) -> list[np.ndarray]:
    """Run the same on several classes, side by side in forked processes, as a run does on many."""
    with tempfile.TemporaryDirectory() as folder:

        def work(number: int) -> Path:
            file = Path(folder, f"{number}.npy")
            np.save(file, ours(fits[number], num_points, seed))
            return file

        done = side_by_side(work, range(len(fits)), processes=torch.get_num_threads())
        return [np.load(file) for file in sorted(done, key=lambda file: int(file.stem))]


def shrunk(
    fit: Fit, num_points: int, seed: int, *, strength: float | None, towards: Towards = "directions"
) -> np.ndarray:
    """Shrink the same points; without a strength it is found by folds."""
    generator = keyed.generator("quantize", seed)
    solver = Lloyd()
    if strength is None:
        study = Study(
            {0: cross_validate(fit.half, solver, [num_points], folds=5, generator=generator)}, 0, 5
        )
        strength = study.strength(towards, num_points)
    shrinkage = Shrinkage(towards, strength)
    generator = keyed.generator("quantize", seed)
    settings = {"generator": generator, "shrinkage": shrinkage}
    return quantize_class(fit.half, solver, num_points, **settings)["points"].numpy()


QUALITY, TIME, D4M = "sklearn n_init=10", "sklearn n_init=1", "D4M"
FAISS, FAISS_ALL = "faiss", "faiss, all 25 iterations"
BESIDE = "ours, side by side"

CONTENDERS: dict[str, Contender] = {
    D4M: d4m,
    TIME: sklearn(1),
    QUALITY: sklearn(10),
    FAISS: partial(faiss_kmeans, stops_early=True),
    FAISS_ALL: partial(faiss_kmeans, stops_early=False),
    "ours": ours,
    "ours, shrunk to the mean, 6 given": partial(shrunk, strength=6.0, towards="mean"),
    "ours, shrunk, 2 given": partial(shrunk, strength=2.0),
    "ours, shrunk by folds": partial(shrunk, strength=None),
}


def set_threads(threads: int) -> None:
    """Give torch, faiss and the libraries under scikit-learn the same number of threads."""
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    threadpool_limits(threads)
