"""The card beside weights: how they were made, on which images, and how good they are."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddoq.display.duration import duration
from ddoq.files.artifacts import replacing, versions
from ddoq.files.license import OWN, TRAINED_FROM, told

if TYPE_CHECKING:
    from ddoq.data.images import Images


def write_card(
    folder: Path,
    *,
    title: str,
    images: "Images",
    how: str,
    seconds: float,
    quality: dict[str, Any],
    trained_from: Mapping[str, str] | None = None,
) -> None:
    """Write `CARD.md` into a folder of weights.

    `trained_from` are the licenses of other weights that these were trained with.
    """
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    shape = f"{images.channels}x{images.image_size}x{images.image_size}"
    lines = [
        f"# {title}",
        "",
        f"- trained on: {len(images.train)} training images {shape}, {images.num_classes} classes, "
        f"fingerprint `{images.fingerprint}`",
        f"- how: {how}",
        f"- in: {duration(seconds)}, {torch.get_num_threads()} CPU threads, {device}",
        f"- with: {', '.join(f'{k} {v}' for k, v in versions().items())}",
        *(f"- {k}: {_plain(v)}" for k, v in quality.items()),
        f"- format: safetensors; license {OWN}",
    ]
    if trained_from and told(trained_from):
        lines.append(f"{TRAINED_FROM}{told(trained_from)}")
    with replacing(folder / "CARD.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
