"""The classes that a prior knows, by stable id."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.data.imagenet import imagenet_ids
from ddoq.errors import DataError
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.given import intact
from ddoq.priors.beside import beside

_FILE = "classes.json"


@dataclass(frozen=True)
class Classes:
    """Class ids in the order of a prior's labels."""

    ids: tuple[str, ...]

    @classmethod
    def of(cls, source: str, revision: str | None = None) -> "Classes":
        """Return the classes that a folder or Hub id lists, or ImageNet-1K's without a list.

        The list of a file's classes lies beside it.
        """
        file = beside(source, _FILE, revision)
        return cls(_read(file) if file else imagenet_ids())

    def save(self, folder: Path) -> None:
        """Write them beside a prior's weights."""
        write_json(folder / _FILE, list(self.ids))

    def labels(self, class_ids: tuple[str, ...]) -> Int[Tensor, " classes"]:
        """Return the prior's label for each class id."""
        missing = [c for c in class_ids if c not in self.ids]
        if missing:
            is_imagenet = self.ids == imagenet_ids()
            known = "ImageNet-1K's" if is_imagenet else _few(list(self.ids))
            raise DataError(
                f"the prior does not know the classes {_few(missing)}; it knows {known}",
                "train one on your images (prior.source=pretrain), or use one that reads prompts "
                "(stable_diffusion, sdxl)"
                + ("; ImageNet's classes are known by their WordNet ids" if is_imagenet else ""),
            )
        return torch.tensor([self.ids.index(c) for c in class_ids])

    def refuse_more_than(self, labels: int, source: str) -> None:
        """Refuse more classes than a network has labels."""
        if len(self.ids) > labels:
            raise DataError(
                f"{source}: its network has {labels} labels, for the {len(self.ids)} classes of "
                + ("ImageNet-1K" if self.ids == imagenet_ids() else _FILE),
                f"list the classes of its labels, in their order, in a {_FILE} beside the weights",
            )


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read(file: Path) -> tuple[str, ...]:
    with intact(file):
        found = read_json(file)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise ValueError("it is not a list of class ids")
        return tuple(found)
