"""How good reconstructions are: their PSNR, and whether a classifier still knows them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ddoq.autoencoders.new import mean_latents
from ddoq.data.images import Images


def reconstruction_quality(
    model: Any, images: Images, teacher: Callable[[Tensor], Tensor] | None
) -> dict[str, Any]:
    """Measure an autoencoder on validation images, by a teacher too if there is one."""
    if len(images.val) == 0:
        return {"reconstruction": "not measured, there are no validation images"}
    ratios: list[Tensor] = []
    right: dict[str, list[Tensor]] = {"images": [], "reconstructions": []}
    for x, labels in images.batches("val"):
        decoded = model.decode(mean_latents(model, x)).sample / 2 + 0.5
        errors = (decoded - x).square().mean((1, 2, 3))
        ratios.append(-10 * errors.clamp_min(1e-10).log10())
        if teacher is not None:
            for name, seen in (("images", x), ("reconstructions", decoded.clamp(0, 1))):
                right[name].append(teacher(seen).argmax(1).cpu() == labels)
    found = {"reconstruction PSNR on validation, dB": float(torch.cat(ratios).mean())}
    if teacher is not None:
        for name, parts in right.items():
            found[f"teacher's accuracy on validation {name}"] = float(
                torch.cat(parts).float().mean()
            )
    return found
