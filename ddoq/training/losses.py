"""The losses of a training, one of each step, in a file beside what it made."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ddoq.files.tensors import read_tensors, write_tensors

_FILE = "losses.safetensors"


def write_losses(folder: Path, losses: Float[Tensor, " steps"], **more: Tensor) -> None:
    """Write the losses, and what else is known of the training."""
    write_tensors(folder / _FILE, {"loss": losses, **more})


def losses_in(folder: Path) -> Float[Tensor, " steps"] | None:
    """Return the losses that a finished training left in its folder, if it left any."""
    file = folder / _FILE
    return read_tensors(file)["loss"] if file.is_file() else None
