"""A baseline: raw samples of the generative prior, without any points."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddoq.data.images import Images
from ddoq.decoders.decoding import decode, read_images
from ddoq.distillers.ddoq import DECODED
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.weighting import class_priors, uniform
from ddoq.files.stage import Planned
from ddoq.priors.conditions import prompts_key
from ddoq.priors.raw import raw_decoder
from ddoq.quantize.quantization import Quantization
from ddoq.recipe.component import Block
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class PriorSamples(Distiller):
    """Denoise pure noise under each class's label: a sample is a function of (seed, class, k).

    Settings left out are those of the recipe's decoder if that draws from the prior, and otherwise
    the defaults of the decoder that has the prior's name. A `budget` is spread evenly over the
    classes.
    """

    def __init__(
        self,
        *,
        images_per_class: int = 10,
        budget: int | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
        block: int | None = None,
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        self.size, self._class_prior = Size(images_per_class, budget), class_prior
        given = {"steps": steps, "guidance": guidance, "scheduler": scheduler, "block": block}
        self._given = {name: value for name, value in given.items() if value is not None}

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the samples of a seed, all of equal weight in a class."""
        key = self.decoded_key(run, seed)
        folder = run.stage(DECODED, key, lambda work: self._draw(work, run, seed))
        blank = self._blank(run)
        drawn = torch.bincount(blank.labels, minlength=run.num_classes)
        # A prior may draw classes of which there are no real images.
        counts = images.counts if self._class_prior == "data" else drawn
        priors = class_priors(counts, self._class_prior)
        return SyntheticSet(
            images=read_images(folder),
            labels=blank.labels,
            weights=uniform(blank.masses, blank.labels, priors),
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            columns={"sample": blank.ranks.tolist()},
            provenance={
                "distiller": "prior",
                **self.size.key,
                "decoder": self._decoder(run),
                "weighting": "uniform",
                "seed": seed,
                "images": images.fingerprint,
                "licenses": run.licenses(self.parts(run)),
            },
        )

    def parts(self, run: "Run") -> list[str]:
        """Return the parts that samples are made with."""
        return ["autoencoder", "prior"]

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return the samples, the only stage."""
        number = sum(self.numbers(run))
        return [Planned(DECODED, self.decoded_key(run, seed), "decoded (prior)", number=number)]

    def decoded_key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines the samples."""
        return {
            "samples": self.numbers(run),
            "class_ids": list(run.images.class_ids),
            **prompts_key(run.recipe.prior, run.images),
            "decoder": run.key("decoder", self._decoder(run)),
            "autoencoder": run.key("autoencoder"),
            "prior": run.key("prior"),
            "image_size": run.images.image_size,
            # A GPU adds up in a different order.
            "device": run.world.device.type,
            "seed": seed,
        }

    def numbers(self, run: "Run") -> list[int]:
        """Return what was asked for: a prior has as many samples as anybody wants."""
        return self.size.numbers([self.size.total(run.num_classes)] * run.num_classes)

    def _decoder(self, run: "Run") -> Block:
        return raw_decoder(run.recipe.decoder, run.recipe.prior, **self._given)

    def _draw(self, work: Path, run: "Run", seed: int) -> None:
        size = run.autoencoder.image_size or run.image_size
        blank = self._blank(run, run.autoencoder.latent_shape(run.channels, size))
        decoder = run.make("decoder", self._decoder(run), seed=seed)
        with run.console.stage("sample the prior", len(blank.labels)) as bar:
            decode(
                blank,
                decoder,
                work,
                image_size=run.images.image_size,
                world=run.world,
                advance=bar.advance,
            )

    def _blank(self, run: "Run", shape: tuple[int, ...] = ()) -> Quantization:
        """Return placeholders for points: labels, numbers, and the shape of what is drawn."""
        wanted = torch.tensor(self.numbers(run))
        labels = torch.arange(len(wanted)).repeat_interleave(wanted)
        return Quantization(
            points=torch.zeros(()).expand(len(labels), *shape),
            labels=labels,
            counts=torch.zeros_like(labels),
            masses=(1 / wanted.double())[labels],
            distortions=torch.zeros(len(wanted), dtype=torch.float64),
            requested=wanted,
        )
