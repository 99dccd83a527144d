"""The latents of a run: a stage in which all ranks encode the training images."""

from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.data.encoding import LATENTS, encode
from ddoq.data.latents import LatentStore
from ddoq.decoders.inverted import open_inverted

if TYPE_CHECKING:
    from ddoq.run import Run


def open_latents(run: "Run") -> LatentStore:
    """Open the latents of a run's training images, encoding them if they are not there yet."""
    if run.inversion is not None:
        return open_inverted(run, run.inversion)

    def work(folder: Path) -> None:
        autoencoder = run.autoencoder
        with run.console.stage("encode", len(run.images.train)) as bar:
            encode(
                run.images,
                autoencoder,
                folder,
                seed=run.recipe.seed,
                world=run.world,
                about={"autoencoder": run.key("autoencoder")},
                advance=bar.advance,
            )

    return LatentStore.open(run.stage(LATENTS, run.latents_key, work))
