"""A class-conditional flow transformer (SiT, Ma et al. 2024) with its published weights."""

from typing import Any

from torch import Tensor

from ddoq.errors import ResourceError
from ddoq.priors.classes import Classes
from ddoq.priors.dit import sample_shape
from ddoq.priors.labels import LabelPrior
from ddoq.priors.network import Network
from ddoq.priors.original import load_original
from ddoq.priors.prior import Dtype
from ddoq.priors.schedule import Schedule
from ddoq.recipe import shipped

_TIMES = 1000
SCHEDULE: dict[str, Any] = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "num_train_timesteps": _TIMES,
    "shift": 1.0,
}


class SiTPrior(LabelPrior):
    """SiT with linear paths and velocities: a file of weights of its original code.

    A `classes.json` beside the file lists the class ids in the order of its labels. Without one,
    the labels are ImageNet-1K's.

    Args:
        source: A file of weights, such as `SiT-XL-2-256.pt`.
        heads: The number of attention heads, if the network has no published size.
        guided_channels: Guide only the first channels of a sample, as SiT's own sampling does; all
            if None.
        dtype: The precision of the transformer.
        compile: Whether torch compiles the transformer: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str,
        heads: int | None = None,
        guided_channels: int | None = 3,
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        classes, file = Classes.of(source), shipped.locate(source)
        if not file.is_file():
            raise ResourceError(
                f"prior sit: there is no file {source}",
                "download SiT-XL-2-256.pt, which SiT's own code links to, and give its place",
            )
        model = load_original(file, heads=heads, dtype=dtype, num_classes=len(classes.ids))
        super().__init__(
            Network(model, call=_backwards, compile=compile),
            Schedule(SCHEDULE),
            classes=classes,
            null_label=int(model.config.num_embeds_ada_norm),
            shape=sample_shape(model),
            guided_channels=guided_channels,
        )


def _backwards(model: Any, x: Tensor, time: Tensor, **conditions: Tensor) -> Tensor:
    """Call SiT, whose times go from noise, 0, to images, 1, and so its velocities."""
    return -model(x, 1 - time / _TIMES, **conditions).sample
