"""A class-conditional U-Net that denoises pixels or latents."""

from collections.abc import Mapping
from typing import Any

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.errors import DataError
from ddoq.priors.classes import Classes
from ddoq.priors.labels import LabelPrior
from ddoq.priors.network import Network
from ddoq.priors.prior import Dtype
from ddoq.priors.schedule import Schedule
from ddoq.priors.space import SampleSpace, space_of


class UNetPrior(LabelPrior):
    """Diffusers' UNet2DModel with its noise schedule, and the classes it knows.

    `source` is a folder with `unet/`, `scheduler/` and `classes.json`, a Hub id with its
    `revision`, or `pretrain`: trained on the recipe's own images. If there are more labels than
    classes, the last one means "no class"; without it there is no guidance.

    Args:
        source: A folder, a Hub id or `pretrain`.
        revision: The commit of a Hub id.
        subfolder: The folder of the network within `source`.
        space: Whether it denoises pixels or the recipe's latents. If None, its folder says.
        dtype: The precision of the network.
        compile: Whether torch compiles the network: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "unet",
        space: SampleSpace | None = None,
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.unets.unet_2d import UNet2DModel

        model: Any = load_diffusers(
            UNet2DModel, source, revision=revision, subfolder=subfolder, dtype=dtype
        )
        labels = model.config.num_class_embeds
        if labels is None:
            raise DataError(
                f"{source}: its network takes no class labels",
                "give one that was trained with labels (num_class_embeds)",
            )
        classes = Classes.of(source, revision)
        classes.refuse_more_than(labels, source)
        super().__init__(
            Network(model, compile=compile),
            Schedule(load_schedule(source, revision)),
            classes=classes,
            null_label=int(labels) - 1 if labels > len(classes.ids) else None,
            space=space or space_of(source, revision, otherwise="pixels"),
            shape=sample_shape(model.config),
        )


def sample_shape(config: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Return the shape of one sample of a network. One without a size takes any."""
    size = config["sample_size"]
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return (int(config["in_channels"]), height, width)
