"""Rivals that are the method with settings fixed: D4M, DDOQ as published, real images."""

from ddoq.distillers.ddoq import DDOQ
from ddoq.recipe.component import Block, complete
from ddoq.recipe.kinds import KINDS


def d4m(decoder: Block, *, images_per_class: int = 10) -> DDOQ:
    """D4M (Su et al., CVPR 2024): its own clustering as its code runs it, no weights."""
    return _one_pass("d4m", decoder, "uniform", images_per_class)


def paper(decoder: Block, *, images_per_class: int = 10) -> DDOQ:
    """DDOQ as published (arXiv 2501.07681): D4M's points, weighted by the roots of its counts.

    The paper leaves chunks, passes and start of its clustering open; they are D4M's here.
    """
    return _one_pass("ddoq/paper", decoder, "root", images_per_class)


def nearest(weighting: Block, *, images_per_class: int = 10, budget: int | None = None) -> DDOQ:
    """Stand in for each point of the method with the real image nearest to it.

    Points are judged on held-out latents only where a budget is spread by that.
    """
    return _named(
        "nearest",
        DDOQ(
            complete(KINDS, "decoder", "nearest"),
            weighting,
            images_per_class=images_per_class,
            solver=complete(KINDS, "solver", "lloyd"),
            budget=budget,
            folds=5 if budget is not None else 0,
        ),
    )


def _one_pass(name: str, decoder: Block, weighting: str, images_per_class: int) -> DDOQ:
    return _named(
        name,
        DDOQ(
            decoder,
            complete(KINDS, "weighting", weighting),
            images_per_class=images_per_class,
            solver=complete(KINDS, "solver", "d4m"),
            folds=0,
        ),
    )


def _named(name: str, distiller: DDOQ) -> DDOQ:
    distiller.name = name
    return distiller
