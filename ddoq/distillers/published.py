"""Rivals that are the method with fixed settings: D4M, DDOQ as published, nearest real images."""

from typing import Literal

from ddoq.distillers.ddoq import DDOQ
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete

# What each class weighs: the same, or its share of the images.
ClassPrior = Literal["uniform", "data"]


def d4m(decoder: Block, *, images_per_class: int = 10, class_prior: ClassPrior = "uniform") -> DDOQ:
    """Make D4M (Su et al., CVPR 2024): clustering as its code runs it, and no weights."""
    return _one_pass("d4m", decoder, "uniform", images_per_class, class_prior)


def paper(
    decoder: Block, *, images_per_class: int = 10, class_prior: ClassPrior = "uniform"
) -> DDOQ:
    """Make DDOQ as published (arXiv 2501.07681): D4M's points with the roots of its counts.

    The paper does not state the chunks, passes and start of its clustering; here they are D4M's.
    """
    return _one_pass("ddoq/paper", decoder, "root", images_per_class, class_prior)


def nearest(
    weighting: Block,
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    class_prior: ClassPrior = "uniform",
) -> DDOQ:
    """Replace each point of the method by the real image nearest to it.

    Points are judged on held-out latents only if a budget has to be spread.
    """
    return _named(
        "nearest",
        DDOQ(
            complete(KINDS, "decoder", "nearest"),
            weighting,
            images_per_class=images_per_class,
            solver=complete(KINDS, "solver", "lloyd"),
            class_prior=class_prior,
            budget=budget,
            folds=5 if budget is not None else 0,
        ),
    )


def _one_pass(
    name: str, decoder: Block, weighting: str, images_per_class: int, class_prior: ClassPrior
) -> DDOQ:
    return _named(
        name,
        DDOQ(
            decoder,
            complete(KINDS, "weighting", weighting),
            images_per_class=images_per_class,
            solver=complete(KINDS, "solver", "d4m"),
            class_prior=class_prior,
            folds=0,
        ),
    )


def _named(name: str, distiller: DDOQ) -> DDOQ:
    distiller.name = name
    return distiller
