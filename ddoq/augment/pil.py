"""The same crops and flips by Pillow, one image at a time in 8 bits, as usual loaders make them."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from ddoq.augment.crop import flip
from ddoq.data.conversion import as_bytes, as_floats


def resize_crops(
    images: Float[Tensor, "n c h w"],
    boxes: Int[Tensor, "n 4"],
    size: int,
    mirrored: Bool[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c size size"]:
    """Cut a box out of each image and resize it, as torchvision does with Pillow's images."""
    pixels = as_bytes(images.cpu()).permute(0, 2, 3, 1).numpy()
    done = np.stack([_resized(p, b, size) for p, b in zip(pixels, boxes.tolist(), strict=True)])
    resized = as_floats(torch.from_numpy(done).permute(0, 3, 1, 2))
    return (resized if mirrored is None else flip(resized, mirrored.cpu())).to(images.device)


def _resized(pixels: np.ndarray, box: list[int], size: int) -> np.ndarray:
    left, top, width, height = box
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    cut = picture.crop((left, top, left + width, top + height))
    resized = np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR))
    return resized.reshape(size, size, -1)
