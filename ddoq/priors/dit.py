"""A class-conditional diffusion transformer (DiT, Peebles and Xie 2023)."""

from typing import Any

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.priors.classes import Classes
from ddoq.priors.labels import LabelPrior
from ddoq.priors.network import Network
from ddoq.priors.prior import Dtype
from ddoq.priors.schedule import Schedule
from ddoq.priors.space import space_of


class DiTPrior(LabelPrior):
    """A diffusers DiT pipeline's transformer and noise schedule, with the classes it knows.

    `source` is a folder in the layout of diffusers' DiTPipeline, a Hub id with its `revision`, or
    `pretrain`: trained on the recipe's own latents. A folder's `classes.json` lists the class ids
    in the order of its labels. Without one, the labels are ImageNet-1K's.

    Args:
        source: A folder, a Hub id or `pretrain`.
        revision: The commit of a Hub id.
        subfolder: The folder of the transformer within `source`.
        dtype: The precision of the transformer.
        compile: Whether torch compiles the transformer: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "transformer",
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

        model: Any = load_diffusers(
            DiTTransformer2DModel, source, revision=revision, subfolder=subfolder, dtype=dtype
        )
        super().__init__(
            Network(model, compile=compile),
            Schedule(load_schedule(source, revision)),
            classes=Classes.of(source),
            null_label=int(model.config.num_embeds_ada_norm),
            space=space_of(source, otherwise="latents"),
            shape=_shape(model.config),
        )


def _shape(config: Any) -> tuple[int, int, int]:
    return (config.in_channels, config.sample_size, config.sample_size)
