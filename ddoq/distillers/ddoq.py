"""The method: quantize each class's latents, decode the points, weight the images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ddoq.data.images import Images
from ddoq.decoders.best import ATTEMPTS
from ddoq.decoders.decoding import decode, read_images
from ddoq.decoders.inverted import INVERTED, Inversion
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.figures import figures_of
from ddoq.distillers.points import OF_POINTS, QUANTIZATION, STUDY, Points, PointSettings
from ddoq.distillers.spread import Spread, spread
from ddoq.distillers.typical import typical
from ddoq.distillers.weighting import class_priors
from ddoq.errors import UsageError
from ddoq.files.stage import Planned, Stage
from ddoq.priors.conditions import prompts_key
from ddoq.priors.raw import innermost
from ddoq.quantize.quantization import Quantization
from ddoq.recipe.component import Block
from ddoq.recipe.naming import told_apart
from ddoq.recipe.plugin import expect_tensor
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

DECODED = Stage("decoded", 3, OF_POINTS)
_STUDIES = "hold out latents of some classes and quantize the rest"
_MOVED_OUT = (
    "distiller.shrinkage={} has no effect with space=inverted, where points are moved out to where "
    "noisy latents lie"
)


class DDOQ(Distiller):
    """Dataset distillation as pushforward optimal quantization (arXiv 2501.07681).

    It takes steps 1 to 3 of the method; step 4, training on the result, is part of the evaluation.
    The solver converges by default, whereas the paper takes one pass.

    `budget` is a total number of images that `allocation` spreads over the classes, in place of
    `images_per_class`. `points_per_class` asks for fewer or more points than images: several images
    of each point, or images of the heaviest points alone. `space=inverted` finds points among
    latents that are carried back along the prior's ODE (D3HR), as far as a decoder with
    `start=noisy` says. `shrinkage` moves points that stand for few latents towards the class mean,
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
        points_per_class: int | None = None,
        space: Literal["latents", "inverted"] = "latents",
        allocation: Literal["gain", "zador"] = "gain",
        shrinkage: Literal["none", "mean", "directions"] = "none",
        strength: float | None = None,
        folds: int = 5,
        studied_classes: int = 20,
    ) -> None:
        if budget is not None and points_per_class is not None:
            raise UsageError(
                "distiller.points_per_class has no meaning beside a budget",
                "give images_per_class with it, or the budget alone",
            )
        if space == "inverted" and shrinkage != "none":
            raise UsageError(_MOVED_OUT.format(shrinkage), "leave one of them out")
        self._space = space
        self.size = Size(images_per_class, budget)
        self._numbers = None if points_per_class in (None, images_per_class) else images_per_class
        self._points = PointSettings(
            solver={"name": solver} if isinstance(solver, str) else solver,
            size=Size(points_per_class or images_per_class, budget),
            allocation=allocation,
            shrinkage=shrinkage,
            strength=strength,
            class_prior=class_prior,
            folds=folds,
            studied_classes=studied_classes,
        )
        self.name = "ddoq"
        """What its sets say that they were made by."""
        self._decoder, self._weighting = decoder, weighting

    def numbers(self, run: "Run") -> list[int]:
        """Return as many as there are points, or what was asked for beside their number."""
        if self._numbers is None:
            return super().numbers(run)
        return [self._numbers] * run.num_classes

    def refuse(self, run: "Run", seed: int) -> None:
        """Refuse a decoder that does not begin where the points are found."""
        self._where(run)

    def points(self, run: "Run", seed: int) -> Points:
        """Return the points of a seed, and what decides on them."""
        return Points(self._points, self._where(run), seed)

    def _where(self, run: "Run") -> "Run":
        """Return the run with the latents that are quantized."""
        if self._space == "latents":
            return run
        decoder = innermost(self._decoder)
        if decoder.get("start") != "noisy":
            raise UsageError(
                "distiller.space=inverted finds points among noisy latents, but the decoder "
                f"{decoder['name']} does not start there",
                "use decoders of a prior with start=noisy, whose steps and strength say how far "
                "latents are carried back, in evaluation.decoders too (or evaluation.decoders=[])",
            )
        steps, strength = decoder.get("steps", 0), decoder.get("strength", 0.0)
        if int(steps * strength) < 1:
            raise UsageError(
                "distiller.space=inverted: the decoder's steps times strength are below one step",
                "give steps and strength whose product is 1 or more",
            )
        prompt, scheduler = decoder.get("prompt", "{}"), decoder.get("scheduler")
        return run.inverting(Inversion(steps, strength, scheduler, prompt))

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the synthetic set of a seed."""
        points = self.points(run, seed)
        drawn = self._spread(self._entering(run, points))
        decoded = read_images(self._decoded(images, run, points, seed))
        masses, labels = drawn.images.masses, drawn.images.labels
        weights = run.make(
            "weighting",
            self._weighting,
            masses=masses,
            labels=labels,
            priors=class_priors(points.quantization.class_counts, self._points.class_prior),
        )
        expect_tensor(weights, tuple(masses.shape), self._weighting["name"], "the weighting")
        of_points = points.quantization.ranks[drawn.rows]
        return SyntheticSet(
            images=decoded,
            labels=labels,
            weights=weights,
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            latents=drawn.images.points,
            columns={"point": of_points.tolist(), "mass": masses.tolist()},
            provenance={
                "distiller": self.name,
                **self.size.key,
                "decoder": self._decoder,
                "weighting": self._weighting["name"],
                "seed": seed,
                "images": images.fingerprint,
                "licenses": run.licenses(self.parts(run)),
                # Distances there are not comparable with those of images.
                **({"points_in": "inverted"} if self._space == "inverted" else {}),
                **self._figures(run, points, drawn.of_points(weights)),
            },
        )

    def _entering(self, run: "Run", points: Points) -> Quantization:
        """Return the points as they enter the decoder."""
        if self._space == "latents":
            return points.quantization
        return typical(points.quantization, self._where(run).latents)

    def _spread(self, quantization: Quantization) -> Spread:
        """Return which images become of the points."""
        numbers = None if self._numbers is None else [self._numbers] * quantization.num_classes
        return spread(quantization, numbers)

    def _figures(self, run: "Run", points: Points, weights: Any) -> dict[str, Any]:
        """Return certificates and advice, from the cache if they are finished."""
        key = {
            "points": points.key(),
            "study": points.study_key() if points.study else None,
            "weighting": run.key("weighting", self._weighting),
            "class_prior": self._points.class_prior,
            "images_per_class": self._numbers,
        }
        return figures_of(points, weights, run, self._where(run).latents, key)

    def parts(self, run: "Run") -> list[str]:
        """Return the autoencoder, and what the decoder asks for."""
        return ["autoencoder", *self._read(run)]

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return latents, study, points and images."""
        points, decoder = self.points(run, seed), self._decoder
        name = told_apart("decoder", decoder, [run.recipe.decoder, *run.recipe.evaluation.decoders])
        decoded, counts = self.decoded_key(run, points), run.images.counts.tolist()
        is_beside = not self._points.needs_study
        study = Planned(STUDY, points.study_key(), needs=_STUDIES, is_beside=is_beside)
        return [
            run.planned_latents,
            *([self._where(run).planned_latents] if self._space == "inverted" else []),
            *([study] if points.has_study else []),
            Planned(QUANTIZATION, points.key(), number=sum(self._points.size.numbers(counts))),
            Planned(DECODED, decoded, f"decoded ({name})", number=sum(self.numbers(run))),
        ]

    def _read(self, run: "Run") -> list[str]:
        """Return which parts of the run the decoder reads, besides the autoencoder."""
        asked = run.reads("decoder", self._decoder)
        return [part for part in ("prior", "teacher") if part in asked]

    def decoded_key(self, run: "Run", points: Points) -> dict[str, Any]:
        """Return what determines the images."""
        inner = innermost(self._decoder)
        return {
            **({"inverted": INVERTED.version} if inner.get("start") == "invert" else {}),
            **({"attempts": ATTEMPTS} if inner is not self._decoder else {}),
            "points": points.key(),
            "decoder": run.key("decoder", self._decoder),
            **{part: run.key(part) for part in self._read(run)},
            **prompts_key(run.recipe.prior, run.images),
            "image_size": run.images.image_size,
            "images_per_class": self._numbers,
        }

    def _decoded(self, images: Images, run: "Run", points: Points, seed: int) -> Path:
        quantization = self._entering(run, points)

        def work(folder: Path) -> None:
            drawn = self._spread(quantization).images
            decoder = run.make("decoder", self._decoder, seed=seed)
            name = f"decode ({self._decoder['name']})"
            with run.console.stage(name, len(drawn.labels)) as bar:
                decode(
                    drawn,
                    decoder,
                    folder,
                    image_size=images.image_size,
                    world=run.world,
                    points=quantization,
                    advance=bar.advance,
                )

        return run.stage(DECODED, self.decoded_key(run, points), work)
