"""Pictures of a set: for each class one small grid, if known above the nearest training images."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ddoq.synthetic import SyntheticSet

_CLASSES, _IMAGES = 20, 10
# Larger images are reduced to this side, in pixels. Those up to the smaller one keep their pixels.
_REDUCED, _EXACT = 72, 32
_QUALITY = 85

AnyPixels = UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]


@dataclass(frozen=True)
class ClassGrid:
    """The images of one class as one picture: in a row, above their nearest training images."""

    name: str
    source: str
    """A data URL."""
    num_images: int
    shares: tuple[float, ...]
    """The share of each image of the weight of its class."""
    has_nearest: bool


@dataclass(frozen=True)
class Gallery:
    """The pictures of one set, made by one decoder."""

    title: str
    num_classes: int
    is_small: bool
    """Whether the pictures show every pixel."""
    is_clamped: bool
    """Whether floats were clamped to [0, 1]."""
    classes: tuple[ClassGrid, ...] = field(default=())

    @classmethod
    def read(cls, plain: dict[str, Any]) -> "Gallery":
        """Read it from plain data, as `dataclasses.asdict` returns it."""
        whole: list[dict[str, Any]] = [
            {**grid, "shares": tuple(grid["shares"])} for grid in plain["classes"]
        ]
        found: dict[str, Any] = {**plain, "classes": tuple(ClassGrid(**grid) for grid in whole)}
        return cls(**found)


def galleries(
    sets: Sequence[SyntheticSet], nearest: Callable[[Tensor], Tensor] | None = None
) -> list[Gallery]:
    """Return one gallery per decoder and size, as weights do not change the pictures.

    `nearest` returns the nearest training images of images. The first gallery shows them.
    """
    shown: dict[str, Gallery] = {}
    several = len({synthetic.images_per_class for synthetic in sets}) > 1
    for synthetic in sets:
        made = synthetic.provenance
        name = made.get("decoder", {}).get("name", made.get("distiller", "set"))
        if several:
            name = f"{name}, {synthetic.images_per_class} per class"
        if name not in shown:
            shown[name] = gallery(synthetic, name, None if shown else nearest)
    return list(shown.values())


def gallery(
    synthetic: SyntheticSet, title: str, nearest: Callable[[Tensor], Tensor] | None = None
) -> Gallery:
    """Return the heaviest images of the first classes."""
    labels = [int(label) for label in synthetic.labels.unique()][:_CLASSES]
    images = synthetic.images
    chosen = {label: _heaviest(synthetic, label) for label in labels}
    beside = nearest(images[torch.cat([*chosen.values()])]) if nearest else None
    grids: list[ClassGrid] = []
    begin = 0
    for label, rows in chosen.items():
        end = begin + len(rows)
        lines = [images[rows], *([beside[begin:end]] if beside is not None else [])]
        weights = synthetic.weights[synthetic.labels == label].double()
        # Images of a class may have no weight at all.
        shares = synthetic.weights[rows].double() / weights.sum().clamp_min(1e-30)
        name, begin = synthetic.class_names[label], end
        grids.append(
            ClassGrid(name, picture(lines), len(rows), _rounded(shares), beside is not None)
        )
    is_small = max(images.shape[-2:]) <= _EXACT
    is_float = images.is_floating_point()
    return Gallery(title, len(synthetic.class_ids), is_small, is_float, tuple(grids))


def _rounded(shares: Float[Tensor, " k"]) -> tuple[float, ...]:
    return tuple(float(f"{share:.4g}") for share in shares.tolist())


def _heaviest(synthetic: SyntheticSet, label: int) -> Int[Tensor, " k"]:
    (members,) = torch.nonzero(synthetic.labels == label, as_tuple=True)
    order = torch.argsort(synthetic.weights[members].double(), descending=True, stable=True)
    return members[order[:_IMAGES]]


def picture(lines: Sequence[AnyPixels]) -> str:
    """Return lines of equally many images as one picture with gaps, as a data URL.

    Small images keep every pixel (PNG). Larger ones are reduced and compressed (WebP).
    """
    from PIL import Image

    tiles = [[_tile(image) for image in line] for line in lines]
    width, height = tiles[0][0].size
    gap = max(1, width // 16)
    size = (len(tiles[0]) * (width + gap) - gap, len(tiles) * (height + gap) - gap)
    grid = Image.new("RGBA", size, (0, 0, 0, 0))
    for y, line in enumerate(tiles):
        for x, tile in enumerate(line):
            grid.paste(tile, (x * (width + gap), y * (height + gap)))
    stream = io.BytesIO()
    is_exact = max(lines[0].shape[-2:]) <= _EXACT
    if is_exact:
        grid.save(stream, "PNG", optimize=True)
    else:
        grid.save(stream, "WEBP", quality=_QUALITY)
    kind = "png" if is_exact else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def _tile(image: UInt8[Tensor, "c h w"] | Float[Tensor, "c h w"]) -> Any:
    """Return an image as a picture. At most three channels are shown."""
    from PIL import Image

    if image.is_floating_point():
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    channels = image[:3] if len(image) >= 3 else image[:1].expand(3, -1, -1)
    tile = Image.fromarray(channels.permute(1, 2, 0).contiguous().cpu().numpy())
    if max(tile.size) > _REDUCED:
        tile.thumbnail((_REDUCED, _REDUCED), Image.Resampling.LANCZOS)
    return tile
