"""faiss's k-means: random starting points and Lloyd's iterations, on the CPU or on one GPU."""

import functools
import subprocess
import sys
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import UsageError

_PROBE = """
import faiss, numpy
index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, faiss.IndexFlatL2(4))
index.add(numpy.eye(4, dtype="float32"))
assert index.search(numpy.eye(4, dtype="float32"), 1)[1].ravel().tolist() == [0, 1, 2, 3]
"""
_PROBE_SECONDS = 120


class Faiss:
    """The best of several runs of `faiss.Kmeans`, each on all latents.

    A run ends before its last iteration once the objective no longer falls.

    With `gpu`, k-means runs on the current CUDA device. If faiss cannot use one, it runs on the
    CPU, with a warning.
    """

    def __init__(self, *, iterations: int = 25, restarts: int = 1, gpu: bool = False) -> None:
        if iterations < 1 or restarts < 1:
            raise UsageError(
                f"solver faiss: iterations={iterations}, restarts={restarts}",
                "both are at least 1",
            )
        self.iterations, self.restarts, self.gpu = iterations, restarts, gpu

    def __call__(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> Float[Tensor, "k dim"]:
        """Return the points of the run with the least distortion."""
        import faiss

        x = latents.float()
        center = x.double().mean(0).float()
        kmeans = faiss.Kmeans(
            x.shape[1],
            num_points,
            niter=self.iterations,
            nredo=self.restarts,
            seed=int(torch.randint(2**31 - 1, (1,), generator=generator)),
            # By default faiss samples 256 latents per point, and warns below 39.
            max_points_per_centroid=len(x),
            min_points_per_centroid=1,
        )
        if self.gpu and gpu_works(sys.executable):
            device = torch.cuda.current_device()
            resources = faiss.StandardGpuResources()
            kmeans.index = faiss.index_cpu_to_gpu(resources, device, kmeans.index)
        kmeans.train((x - center).numpy())
        return torch.from_numpy(kmeans.centroids) + center


@functools.cache
def gpu_works(python: str) -> bool:
    """Say whether faiss can use a GPU; warn once if it cannot.

    A faiss without code for the card aborts its process, so the trial runs in another process.
    """
    command = [python, "-c", _PROBE]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=False)
        cause = f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        cause = f"no answer in {_PROBE_SECONDS} seconds"
    if cause == "exit code 0":
        return True
    warnings.warn(
        f"solver faiss: no GPU that faiss can use ({cause}); it runs on the CPU. "
        "Set gpu: false, or install a faiss-gpu made for this card",
        stacklevel=2,
    )
    return False
