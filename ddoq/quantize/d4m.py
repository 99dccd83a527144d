"""D4M's clustering (Su et al., CVPR 2024) as its public code runs it, defects included."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import UsageError
from ddoq.quantize import functional

_CHUNK = 8192


class D4M:
    """One pass of scikit-learn's `MiniBatchKMeans.partial_fit` over shuffled chunks.

    The defaults are D4M's ImageNet script. Each of its traits can be changed by itself:

    - `expand`: a chunk holds this many latents per point. With 1 the latents of the first chunk
      are the starting points. D4M's other scripts use 10.
    - `passes`: the number of times that all latents are streamed.
    - `reassign`: points that few latents have reached are replaced by latents of the current
      chunk, and their counts by the least count of the others.
    - `drop_tail`: a last chunk that is not full is left out, unless it is the only one. D4M fits
      it for the one class that it sees last.
    - `streaming_counts`: masses are made of the counts of the steps, not of the final cells.
    """

    def __init__(
        self,
        *,
        expand: int = 1,
        passes: int = 1,
        reassign: bool = True,
        drop_tail: bool = True,
        streaming_counts: bool = True,
    ) -> None:
        if expand < 1 or passes < 1:
            raise UsageError(f"solver d4m: expand={expand}, passes={passes}", "both are at least 1")
        self.expand, self.passes, self.reassign = expand, passes, reassign
        self.drop_tail, self.streaming_counts = drop_tail, streaming_counts

    def __call__(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> Float[Tensor, "k dim"]:
        """Return the points after all passes."""
        return self._fit(latents, num_points, generator)[0]

    def with_counts(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "k dim"], Float[Tensor, " k"]]:
        """Return the points and the counts from which masses are made.

        The counts are scikit-learn's running ones, or with `streaming_counts=False` those of the
        final cells. If no point was reassigned, running counts add up to `passes` times the number
        of latents that were fitted.
        """
        points, counts = self._fit(latents, num_points, generator)
        if not self.streaming_counts:
            center = points.mean(0)
            chunks = (z.float() - center for z in latents.split(_CHUNK))
            cells = torch.cat([functional.assign(z, points - center)[0] for z in chunks])
            counts = torch.bincount(cells, minlength=num_points).float()
        return points, counts

    def _fit(
        self, latents: Tensor, num_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "k dim"], Float[Tensor, " k"]]:
        from sklearn.cluster import MiniBatchKMeans

        kmeans = MiniBatchKMeans(
            n_clusters=num_points,
            random_state=0,
            n_init="auto",
            compute_labels=False,
            reassignment_ratio=0.01 if self.reassign else 0.0,
        )
        for chunk in self._chunks(latents, num_points, generator):
            kmeans.partial_fit(chunk.float().numpy())
        # scikit-learn has no public name for its counts.
        counts = torch.from_numpy(kmeans._counts)  # type: ignore[reportPrivateUsage]
        return torch.from_numpy(kmeans.cluster_centers_), counts

    def _chunks(
        self, latents: Tensor, num_points: int, generator: torch.Generator
    ) -> Iterator[Tensor]:
        size = self.expand * num_points
        for _ in range(self.passes):
            order = torch.randperm(len(latents), generator=generator)
            for rows in order.split(size):
                if len(rows) == min(size, len(latents)) or not self.drop_tail:
                    yield latents[rows]
