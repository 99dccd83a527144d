"""Published numbers beside our own, marked as quoted."""

from math import nan

from ddoq.evaluation.score import QUOTED, Result
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.schema import Recipe


def quoted(recipe: Recipe, protocol: Protocol) -> list[Result]:
    """Return the published numbers that a recipe quotes for exactly this protocol."""
    return [
        Result(
            distiller=str(number["distiller"]),
            images_per_class=int(number.get("images_per_class", 0)),
            student=str(number["student"]),
            protocol=protocol.id,
            labels=protocol.labels,
            seed=0,
            set_seed=0,
            top1=float(number["top1"]),
            top5=nan,
            loss=nan,
            seconds=nan,
            peak_memory_mb=nan,
            note=QUOTED,
        )
        for number in recipe.evaluation.quoted
        if number["protocol"] == protocol.id
    ]
