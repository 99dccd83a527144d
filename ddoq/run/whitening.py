"""The whitening of a run: a stage, made of the real training images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.data.preprocessing import ZCA
from ddoq.data.whitening import WHITENING, whitening, whitening_key
from ddoq.files.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from ddoq.run import Run


def open_whitening(run: "Run") -> ZCA:
    """Return the whitening of all training images, on this rank's device."""
    images = run.whole.images

    def work(folder: Path) -> None:
        if not run.world.is_first:
            return
        batches = images.batches("train")
        with run.console.stage("whiten", len(batches)) as bar:

            def read() -> Any:
                for batch, _ in batches:
                    yield batch
                    bar.advance()

            made = whitening(read(), images.channels * images.image_size**2)
        write_tensors(folder / "whitening.safetensors", dict(vars(made)))

    folder = run.stage(WHITENING, whitening_key(run), work)
    return ZCA(**read_tensors(folder / "whitening.safetensors")).to(run.world.device)
