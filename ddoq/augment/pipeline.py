"""Everything that a protocol does to the images of a step except mixing them."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.augment import crop, dsa, pil
from ddoq.augment.color import jitter, lighting
from ddoq.augment.patches import shuffle_patches
from ddoq.data.preprocessing import Preprocessing
from ddoq.protocols.protocol import Protocol

_Draw = Callable[[str, int], Tensor]
"""A function of a purpose and a count that draws so many uniform numbers for each image."""


def augment(
    images: Float[Tensor, "n c h w"],
    ids: Int[Tensor, " n"],
    protocol: Protocol,
    *,
    seed: int,
    epoch: int,
    step: int,
    size: int,
    preprocessing: Preprocessing,
) -> Float[Tensor, "n c size size"]:
    """Apply a protocol's augmentation to images in [0, 1].

    DSA works on what the network sees.
    """

    def draw(purpose: str, count: int) -> Tensor:
        return keyed.uniform(keyed.seed_of(purpose, seed, epoch), ids, count)

    if protocol.patches > 1:
        draws = draw("patches", 2 * protocol.patches)
        images = shuffle_patches(images, draws, protocol.patches)
    images = _cropped(images, draw, protocol, size)
    has_color = images.shape[1] == 3
    if protocol.jitter and has_color:
        images = jitter(images, draw("jitter", 3), protocol.jitter)
    if protocol.lighting and has_color:
        normals = keyed.normal(keyed.seed_of("lighting", seed, epoch), ids, (3,))
        images = lighting(images, normals, protocol.lighting)
    if protocol.dsa:
        strategy = dsa.chosen(protocol.dsa, seed, step)
        seen = preprocessing.forward(images)
        images = preprocessing.inverse(dsa.apply(seen, draw("dsa", dsa.NUM_DRAWS), strategy))
    return images


def _cropped(
    images: Float[Tensor, "n c h w"], draw: _Draw, protocol: Protocol, size: int
) -> Float[Tensor, "n c size size"]:
    """Crop at random if the protocol says so, flip, and resize."""
    mirrored = draw("flip", 1)[:, 0] < 0.5 if protocol.flip else None
    if protocol.crop is not None:
        low, high = protocol.crop
        boxes = crop.draw_boxes(
            draw("crop", crop.NUM_DRAWS), scale=(low, high), size=images.shape[-1]
        )
        resize = pil.resize_crops if protocol.pixels == "pil" else crop.resize_crops
        return resize(images, boxes, size, mirrored)
    images = images if mirrored is None else crop.flip(images, mirrored)
    if images.shape[-1] == size:
        return images
    whole = torch.tensor([[0, 0, images.shape[3], images.shape[2]]]).expand(len(images), 4)
    return crop.resize_crops(images, whole, size)
