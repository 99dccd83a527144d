"""What is known of points under the weights in use: certificates, and advice on their number."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.data.latents import LatentStore
from ddoq.distillers.points import OF_POINTS, Points
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.stage import Stage
from ddoq.quantize.certificates import certify

if TYPE_CHECKING:
    from ddoq.run import Run

_CERTIFICATES = Stage("certificates", 4, OF_POINTS)
# Classes whose W2 under the weights in use is computed exactly; the others get bounds.
_EXACT_CLASSES = 20


def figures_of(
    points: Points, weights: Any, run: "Run", store: LatentStore, key: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the figures of points with these weights, a stage, made from the quantized latents."""
    # All ranks make these together before the stage, within which only the first one works.
    study, quantization = points.study, points.quantization
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
        figures = {
            "certificates": rows,
            "advice": study.advice() if study else None,
            "study_seconds": study.seconds if study else None,
            "shrinkage": {"towards": shrinkage.towards, "strength": shrinkage.strength},
        }
        write_json(folder / "figures.json", figures)

    return read_json(run.stage(_CERTIFICATES, key, work) / "figures.json")
