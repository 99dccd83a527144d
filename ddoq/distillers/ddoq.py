"""The method: quantize each class's latents, decode the points, weight the images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ddoq.component import Block
from ddoq.data.images import Images
from ddoq.decoders.blocks import decode, read_images
from ddoq.distillers.weighting import class_priors
from ddoq.errors import UsageError
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.quantizer import quantize
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class DDOQ:
    """Dataset distillation as pushforward optimal quantization (arXiv 2501.07681).

    Steps 1 to 3 of the method; step 4, training on the result, is the evaluation's. The solver
    converges by default, where the paper takes one pass.
    """

    def __init__(
        self,
        decoder: Block,
        weighting: Block,
        *,
        images_per_class: int = 10,
        solver: dict[str, Any] | str = "lloyd",
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        if images_per_class < 1:
            raise UsageError(f"distiller.images_per_class={images_per_class}", "it is at least 1")
        self.images_per_class, self.class_prior = images_per_class, class_prior
        self._solver = {"name": solver} if isinstance(solver, str) else solver
        self._decoder, self._weighting = decoder, weighting

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return the synthetic set of `run.seed`."""
        quantization = self.quantization(run)
        decoded = read_images(self._decoded(images, run, quantization))
        masses = quantization.masses
        weights = run.make(
            "weighting",
            self._weighting,
            masses=masses,
            labels=quantization.labels,
            priors=class_priors(quantization.class_counts, self.class_prior),
        )
        return SyntheticSet(
            images=decoded,
            labels=quantization.labels,
            weights=weights,
            class_names=images.class_names,
            class_ids=images.class_ids,
            latents=quantization.points,
            columns={"point": quantization.ranks.tolist(), "mass": masses.tolist()},
            provenance={
                "distiller": "ddoq",
                "images_per_class": self.images_per_class,
                "decoder": self._decoder,
                "weighting": self._weighting["name"],
                "seed": run.seed,
                "images": images.fingerprint,
                "certificates": quantization.certificates(images.class_names),
            },
        )

    def quantization_key(self, run: "Run") -> dict[str, Any]:
        """Return what determines the points."""
        return {
            "latents": run.latents_key,
            "solver": run.key("solver", self._solver),
            "images_per_class": self.images_per_class,
            "seed": run.seed,
        }

    def quantization(self, run: "Run") -> Quantization:
        """Return points and masses, from the cache where they are finished."""

        def work(folder: Path) -> None:
            latents = run.latents
            with run.console.stage("quantize", run.images.num_classes) as bar:
                quantize(
                    latents,
                    run.make("solver", self._solver),
                    images_per_class=self.images_per_class,
                    seed=run.seed,
                    trainer=run.trainer(precision="32-true"),
                    work=folder,
                    world=run.world,
                    advance=bar.advance,
                )

        return Quantization.load(run.stage("quantization", self.quantization_key(run), work))

    def decoded_key(self, run: "Run") -> dict[str, Any]:
        """Return what determines the images."""
        uses_prior = "prior" in run.asks_for("decoder", self._decoder)
        return {
            "points": self.quantization_key(run),
            "decoder": run.key("decoder", self._decoder),
            "prior": run.key("prior") if uses_prior else None,
            "image_size": run.images.image_size,
        }

    def _decoded(self, images: Images, run: "Run", quantization: Quantization) -> Path:
        def work(folder: Path) -> None:
            num_points = len(quantization.labels)
            decoder = run.make("decoder", self._decoder)
            with run.console.stage(f"decode ({self._decoder['name']})", num_points) as bar:
                decode(
                    quantization,
                    decoder,
                    folder,
                    image_size=images.image_size,
                    world=run.world,
                    advance=bar.advance,
                )

        return run.stage("decoded", self.decoded_key(run), work)
