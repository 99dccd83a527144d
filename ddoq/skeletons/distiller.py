"""A way of your own to make the small set. This one learns its images.

python -m ddoq.fit recipe=digits distiller=MODULE:MyDistiller
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d

from ddoq.data.images import Images
from ddoq.distillers.random import Random
from ddoq.files.stage import Planned, Stage
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.run import Run
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet


class MyDistiller:
    """Learn images whose mean features are those of their class, in random filters.

    Args:
        images_per_class: Set by tables that compare sizes, so keep the name.
        steps: Yours, as anything else.
    """

    # Each set takes a while, so it is a job of its own. Without this line and `stages`, `distill`
    # may simply return a set.
    learns = True

    def __init__(self, *, images_per_class: int = 10, steps: int = 200, lr: float = 0.02) -> None:
        self.size = Size(images_per_class)
        self.steps, self.lr = steps, lr

    def stages(self, run: Run, seed: int) -> list[Planned]:
        """Return where the set is kept, and all that it depends on."""
        key = {
            "images": run.images.fingerprint,
            "size": self.size.key,
            "how": [self.steps, self.lr],
            "seed": seed,
        }
        return [Planned(Stage("my distiller"), key)]

    def distill(self, images: Images, run: Run, seed: int) -> SyntheticSet:
        """Return the set of a seed: the same one whenever it is asked for."""
        [planned] = self.stages(run, seed)
        start = Random(images_per_class=self.size.mean(images.num_classes))
        begun = start.distill(images, run, seed)
        folder = run.stage(
            planned.stage,
            planned.key,
            lambda work: self._learn(images, begun.images / 255, begun.labels, seed, work),
        )
        return SyntheticSet(
            read_tensors(folder / "images.safetensors")["images"],
            begun.labels,
            begun.weights,
            images.class_names,
            images.class_ids,
            provenance={"distiller": "my distiller", **self.size.key},
            space="image",  # 0 is black and 1 is white, and some values may lie beyond
        )

    def _learn(self, images: Images, x: Tensor, labels: Tensor, seed: int, work: Path) -> None:
        real, of_class = images.pixels("train") / 255, images.train.labels
        x = x.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([x], lr=self.lr)
        draw = torch.Generator().manual_seed(seed)
        for _ in range(self.steps):
            filters = torch.randn(64, images.channels, 3, 3, generator=draw)
            loss = torch.zeros(())
            for c in range(images.num_classes):
                rows = (of_class == c).nonzero()[:, 0]
                batch = real[rows[torch.randint(len(rows), (64,), generator=draw)]]
                ours, theirs = _features(x[labels == c], filters), _features(batch, filters)
                loss = loss + (ours.mean(0) - theirs.mean(0)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        write_tensors(work / "images.safetensors", {"images": x.detach()})


def _features(images: Tensor, filters: Tensor) -> Tensor:
    """Return how strongly each filter answers in each quarter of the images."""
    answers = conv2d(images, filters, padding=1).relu()
    return adaptive_avg_pool2d(answers, 2).flatten(1)
