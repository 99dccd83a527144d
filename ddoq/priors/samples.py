"""Samples that a prior draws during its training: a grid, and the teacher's verdict on it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int, UInt8
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from ddoq.data.conversion import as_bytes
from ddoq.files.artifacts import replacing
from ddoq.priors.quality import in_class
from ddoq.priors.raw import raw_decoder
from ddoq.priors.space import SampleSpace
from ddoq.quantize.blocks import PointBlock
from ddoq.teachers.at_hand import teacher_at_hand
from ddoq.training.steps import evenly

if TYPE_CHECKING:
    from ddoq.run import Run

_ROWS, _COLUMNS = 10, 10
_SMALLEST_TILE = 32


class Samples(Callback):
    """Save the prior now and then, draw samples as a decoder would, and let a teacher judge."""

    def __init__(
        self,
        run: "Run",
        work: Path,
        save: Callable[[Path], None],
        *,
        space: SampleSpace,
        steps: int,
        times: int,
    ) -> None:
        self._run, self._work, self._save = run, work, save
        # All ranks must look for these together, although only the first one draws.
        self._teacher = teacher_at_hand(run) if times else None
        self._autoencoder = autoencoder_of(run, space) if times else None
        self._steps = evenly(steps, times)
        self.snapshot = work / "snapshot"
        """The folder of the prior that samples were last drawn from."""
        self.verdicts: dict[str, float] = {}
        """The teacher's verdict on the samples of each step, for the card."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw where it is time; the first rank does, the others wait at the next step."""
        if batch_idx + 1 in self._steps and trainer.is_global_zero:
            self._show(batch_idx + 1)

    def _show(self, step: int) -> None:
        self._save(self.snapshot)
        images, labels = draw(self._run, self.snapshot, self._autoencoder)
        said = f"prior: samples of step {step}"
        if self._run.images.modality == "image":
            file = self._work / f"samples-{step:07d}.png"
            write_grid(file, images, columns=_COLUMNS)
            said += f" in {file}"
        if self._teacher is not None:
            share = in_class(self._teacher, images, labels)
            self.verdicts[f"samples in their class by the teacher, step {step}"] = share
            said += f"; the teacher puts {share:.0%} of them in their class"
        self._run.console.say(said)

    def state_dict(self) -> dict[str, Any]:
        """Return the verdicts so far."""
        return {"verdicts": self.verdicts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the verdicts so far."""
        self.verdicts = dict(state_dict["verdicts"])


def draw(
    run: "Run", folder: Path, autoencoder: Any
) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Draw samples of some classes, a row for each, from the prior in a folder."""
    # For these few samples compiling does not pay.
    block = {**run.recipe.prior, "source": str(folder), "compile": False}
    prior = run.make("prior", block).to(run.world.device)
    block = raw_decoder(run.recipe.decoder, run.recipe.prior)
    decoder = run.make("decoder", block, prior=prior, autoencoder=autoencoder)
    chosen = torch.linspace(0, run.num_classes - 1, min(_ROWS, run.num_classes)).round().long()
    labels = chosen.repeat_interleave(_COLUMNS)
    numbers = torch.arange(_COLUMNS).repeat(len(chosen))
    size = autoencoder.image_size or run.image_size
    shape = autoencoder.latent_shape(run.channels, size)
    with torch.inference_mode():
        drawn = decoder.decode(PointBlock(torch.zeros(len(labels), *shape), labels, numbers))
    return as_bytes(drawn.cpu()), labels


def autoencoder_of(run: "Run", space: SampleSpace) -> Any:
    """Return the autoencoder that decodes samples, or none if they are pixels."""
    from ddoq.autoencoders.identity import Identity

    return Identity() if space == "pixels" else run.autoencoder


def write_grid(file: Path, images: UInt8[Tensor, "n c h w"], *, columns: int) -> None:
    """Write images as one picture with `columns` in a row; small ones are enlarged."""
    from PIL import Image

    n, channels, height, width = images.shape
    factor = -(-_SMALLEST_TILE // width)
    tiles = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    sheet = torch.full(
        (channels, -(-n // columns) * (height * factor + 1), columns * (width * factor + 1)),
        255,
        dtype=torch.uint8,
    )
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height * factor + 1), i % columns * (width * factor + 1)
        sheet[:, top : top + height * factor, left : left + width * factor] = tile
    array = sheet.squeeze(0) if channels == 1 else sheet.permute(1, 2, 0)
    with replacing(file) as temporary:
        Image.fromarray(array.numpy()).save(temporary, format="PNG")
