"""The method: quantize each class's latents, decode the points, weight the images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ddoq.data.encoding import LATENTS
from ddoq.data.images import Images
from ddoq.decoders.decoding import decode, read_images
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.points import QUANTIZATION, STUDY, Points, PointSettings
from ddoq.distillers.weighting import class_priors
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.stage import PRETRAIN, Planned, Stage
from ddoq.quantize.certificates import certify
from ddoq.recipe.component import Block
from ddoq.recipe.naming import told_apart
from ddoq.recipe.plugin import expect_tensor
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_OF_POINTS = (PRETRAIN, LATENTS, STUDY, QUANTIZATION)
DECODED = Stage("decoded", 2, _OF_POINTS)
_CERTIFICATES = Stage("certificates", 3, _OF_POINTS)
_STUDIES = "hold out latents of some classes and quantize the rest"
# Classes whose W2 under the weights in use is computed exactly; the others get bounds.
_EXACT_CLASSES = 20


class DDOQ(Distiller):
    """Dataset distillation as pushforward optimal quantization (arXiv 2501.07681).

    It takes steps 1 to 3 of the method; step 4, training on the result, is part of the evaluation.
    The solver converges by default, whereas the paper takes one pass.

    `budget` is a total number of images that `allocation` spreads over the classes, in place of
    `images_per_class`. `shrinkage` moves points that stand for few latents towards the class mean,
    by `strength` (null: chosen on held-out latents). Up to `studied_classes` classes are
    cross-validated in `folds` to judge the points; `folds=0` leaves that out.
    """

    def __init__(
        self,
        decoder: Block,
        weighting: Block,
        *,
        images_per_class: int = 10,
        solver: dict[str, Any] | str = "lloyd",
        class_prior: Literal["uniform", "data"] = "uniform",
        budget: int | None = None,
        allocation: Literal["gain", "zador"] = "gain",
        shrinkage: Literal["none", "mean", "directions"] = "none",
        strength: float | None = None,
        folds: int = 5,
        studied_classes: int = 20,
    ) -> None:
        if strength is not None and strength < 0:
            raise UsageError(f"distiller.strength={strength}", "it is at least 0")
        self._points = PointSettings(
            solver={"name": solver} if isinstance(solver, str) else solver,
            size=Size(images_per_class, budget),
            allocation=allocation,
            shrinkage=shrinkage,
            strength=strength,
            class_prior=class_prior,
            folds=folds,
            studied_classes=studied_classes,
        )
        self.name = "ddoq"
        """What its sets say that they were made by."""
        self.size = self._points.size
        self._decoder, self._weighting = decoder, weighting

    def points(self, run: "Run", seed: int) -> Points:
        """Return the points of a seed, and what decides on them."""
        return Points(self._points, run, seed)

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the synthetic set of a seed."""
        points = self.points(run, seed)
        quantization = points.quantization
        decoded = read_images(self._decoded(images, run, points, seed))
        masses = quantization.masses
        weights = run.make(
            "weighting",
            self._weighting,
            masses=masses,
            labels=quantization.labels,
            priors=class_priors(quantization.class_counts, self._points.class_prior),
        )
        expect_tensor(weights, tuple(masses.shape), self._weighting["name"], "the weighting")
        return SyntheticSet(
            images=decoded,
            labels=quantization.labels,
            weights=weights,
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            latents=quantization.points,
            columns={"point": quantization.ranks.tolist(), "mass": masses.tolist()},
            provenance={
                "distiller": self.name,
                **self.size.key,
                "decoder": self._decoder,
                "weighting": self._weighting["name"],
                "seed": seed,
                "images": images.fingerprint,
                **self._figures(run, points, weights),
            },
        )

    def _figures(self, run: "Run", points: Points, weights: Any) -> dict[str, Any]:
        """Return certificates and advice, from the cache if they are finished."""
        # All ranks make these together before the stage, within which only the first one works.
        study, store, quantization = points.study, run.latents, points.quantization
        shrinkage, numbers = points.shrinkage, points.numbers

        def work(folder: Path) -> None:
            if not run.world.is_first:
                return
            of_class = {
                label: study.trial(label, number, shrinkage.towards, shrinkage.strength)
                for label, number in enumerate(numbers)
                if study is not None
            }
            rows = certify(
                quantization,
                weights,
                class_names=run.images.class_names,
                store=store,
                exact=list(study.trials)[:_EXACT_CLASSES] if study else [],
                held_out={label: trial for label, trial in of_class.items() if trial},
            )
            advice = study.advice() if study else None
            used = {"towards": shrinkage.towards, "strength": shrinkage.strength}
            seconds = study.seconds if study else None
            figures = {"certificates": rows, "advice": advice, "study_seconds": seconds}
            write_json(folder / "figures.json", {**figures, "shrinkage": used})

        key = {
            "points": points.key(),
            "study": points.study_key() if study else None,
            "weighting": run.key("weighting", self._weighting),
            "class_prior": self._points.class_prior,
        }
        return read_json(run.stage(_CERTIFICATES, key, work) / "figures.json")

    def parts(self, run: "Run") -> list[str]:
        """Return the autoencoder, and the prior if the decoder asks for one."""
        return ["autoencoder", *(["prior"] if self._uses_prior(run) else [])]

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return latents, study, points and images."""
        points, decoder = self.points(run, seed), self._decoder
        name = told_apart("decoder", decoder, [run.recipe.decoder, *run.recipe.evaluation.decoders])
        return [
            run.planned_latents,
            *([Planned(STUDY, points.study_key(), needs=_STUDIES)] if points.has_study else []),
            Planned(QUANTIZATION, points.key()),
            Planned(DECODED, self.decoded_key(run, points), f"decoded ({name})"),
        ]

    def _uses_prior(self, run: "Run") -> bool:
        return "prior" in run.asks_for("decoder", self._decoder)

    def decoded_key(self, run: "Run", points: Points) -> dict[str, Any]:
        """Return what determines the images."""
        return {
            "points": points.key(),
            "decoder": run.key("decoder", self._decoder),
            "prior": run.key("prior") if self._uses_prior(run) else None,
            "image_size": run.images.image_size,
        }

    def _decoded(self, images: Images, run: "Run", points: Points, seed: int) -> Path:
        quantization = points.quantization

        def work(folder: Path) -> None:
            num_points = len(quantization.labels)
            decoder = run.make("decoder", self._decoder, seed=seed)
            with run.console.stage(f"decode ({self._decoder['name']})", num_points) as bar:
                decode(
                    quantization,
                    decoder,
                    folder,
                    image_size=images.image_size,
                    world=run.world,
                    advance=bar.advance,
                )

        return run.stage(DECODED, self.decoded_key(run, points), work)
