"""One file of tensors, of safetensors or of torch: images, labels, weights, soft labels."""

from pathlib import Path

import torch
from torch import Tensor

from ddoq.export.exported import Exported
from ddoq.export.writer import Writer
from ddoq.files.tensors import write_tensors
from ddoq.formats.layout import IMAGES, LABELS, SOFT_LABELS, WEIGHTS

SAFETENSORS_FILE, TORCH_FILE = "data.safetensors", "data.pt"


def _tensors(exported: Exported) -> dict[str, Tensor]:
    synthetic, soft = exported.synthetic, exported.soft_labels
    named = {IMAGES: synthetic.images, LABELS: synthetic.labels, WEIGHTS: synthetic.weights}
    return named if soft is None else {**named, SOFT_LABELS: soft}


def write_safetensors(exported: Exported, folder: Path) -> None:
    """Write `data.safetensors`."""
    write_tensors(folder / SAFETENSORS_FILE, _tensors(exported))


def write_torch(exported: Exported, folder: Path) -> None:
    """Write `data.pt`, which holds nothing but tensors."""
    # A tensor that is a part of another would be written with the whole of it.
    torch.save({k: t.clone() for k, t in _tensors(exported).items()}, folder / TORCH_FILE)


_READING = """\
def read():
    data = LOAD
    images = data["images"] / (255 if data["images"].dtype == torch.uint8 else 1)
{% if soft %}
    return images, data["labels"], data["weights"].float(), data["soft_labels"]
{% else %}
    return images, data["labels"], data["weights"].float(), None
{% endif %}
"""

SAFETENSORS = Writer(
    write=write_safetensors,
    loading="""\
from safetensors.torch import load_file

data = load_file("FOLDER/data.safetensors")
images, labels, weights = data["images"], data["labels"], data["weights"]
""",
    reading=_READING.replace("LOAD", 'load_file(HERE / "data.safetensors")'),
)
TORCH = Writer(
    write=write_torch,
    loading="""\
import torch

data = torch.load("FOLDER/data.pt", weights_only=True)
images, labels, weights = data["images"], data["labels"], data["weights"]
""",
    reading=_READING.replace("LOAD", 'torch.load(HERE / "data.pt", weights_only=True)'),
)
