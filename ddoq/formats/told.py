"""What a person says of a set that its files do not say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ddoq.errors import UsageError
from ddoq.recipe.settings import check_settings
from ddoq.recipe.signature import nearest, signature


@dataclass(frozen=True)
class Told:
    """What a person says of a set. None is nothing: it is found out, or asked for."""

    normalized: Any = None
    """What was done to the images, which is undone: none, data, imagenet, zca, [black, white],
    {mean: [...], std: [...]}, or {name: zca, file: FILE}."""
    targets: str | None = None
    """A file of soft labels, or `ignore` to leave out those that the set has."""
    weights: str | None = None
    """A file of weights, or `ignore` to leave out those that the set has."""
    lr: float | str | None = None
    """The learning rate that was learned with the set: a number, or a file of it."""
    classes: Literal["ids", "names", "order"] | None = None
    """What the set's classes have in common with those of the data."""
    first_label: Literal[0, 1] | None = None
    """The number of the first class in the labels, where that is not plain from them."""
    entry: int | None = None
    """Which set, if a file holds several, from 0 on."""
    resize: bool = False
    """Bring images of another size, or with other channels, to those of the data."""
    unusual: bool = False
    """Go on although the images look as if something else had been done to them."""
    allow_test_images: bool = False
    """Go on although the set holds images that it is measured on."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Told":
        """Return what a mapping of settings says."""
        settable = signature("ddoq.formats.told:Told")
        return cls(**check_settings({}, settable, dict(said), place="a set", target="a set"))

    def __post_init__(self) -> None:
        if isinstance(self.normalized, str) and self.normalized not in NAMED:
            close = nearest(self.normalized, NAMED)
            raise UsageError(
                f"normalized={self.normalized} is none of the known preprocessings{close}",
                f"use {ACCEPTED}",
            )


NAMED = ("none", "data", "imagenet", "zca")
ACCEPTED = (
    "none, data (the data's own mean and standard deviation), imagenet, zca (the data's own "
    "whitening), [black, white] such as [-1,1], {mean: [...], std: [...]}, or "
    "{name: zca, file: FILE}"
)
