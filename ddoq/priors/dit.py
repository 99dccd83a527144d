"""A class-conditional diffusion transformer (DiT, Peebles and Xie 2023)."""

from typing import Any

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.priors.classes import Classes
from ddoq.priors.labels import LabelPrior
from ddoq.priors.network import Network
from ddoq.priors.original import load_original
from ddoq.priors.prior import Dtype
from ddoq.priors.schedule import Schedule
from ddoq.priors.space import space_of
from ddoq.recipe import shipped

# Of a file, which has no configuration: the schedule that the original code trains with.
ORIGINAL_SCHEDULE: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "prediction_type": "epsilon",
}


class DiTPrior(LabelPrior):
    """A diffusers DiT pipeline's transformer and noise schedule, with the classes it knows.

    `source` is a folder in the layout of diffusers' DiTPipeline, a Hub id with its `revision`, a
    file of weights of the original code (`DiT-XL-2-256x256.pt`), or `pretrain`: trained on the
    recipe's own latents. A `classes.json` in the folder, or beside the file, lists the class ids in
    the order of its labels. Without one, the labels are ImageNet-1K's.

    Args:
        source: A folder, a Hub id, a file or `pretrain`.
        revision: The commit of a Hub id.
        subfolder: The folder of the transformer within `source`.
        heads: The number of attention heads of a file's network, if it has no published size.
        guided_channels: Guide only the first channels of a sample; all if None. The original code
            guides three.
        dtype: The precision of the transformer.
        compile: Whether torch compiles the transformer: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "transformer",
        heads: int | None = None,
        guided_channels: int | None = None,
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        classes, file = Classes.of(source, revision), shipped.locate(source)
        if file.is_file():
            num = len(classes.ids)
            model = load_original(file, heads=heads, dtype=dtype, num_classes=num)
            schedule = ORIGINAL_SCHEDULE
        else:
            from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

            model = load_diffusers(
                DiTTransformer2DModel, source, revision=revision, subfolder=subfolder, dtype=dtype
            )
            classes.refuse_more_than(int(model.config.num_embeds_ada_norm), source)
            schedule = load_schedule(source, revision)
        super().__init__(
            Network(model, compile=compile),
            Schedule(schedule),
            classes=classes,
            null_label=int(model.config.num_embeds_ada_norm),
            space=space_of(source, revision, otherwise="latents"),
            shape=sample_shape(model),
            guided_channels=guided_channels,
        )


def sample_shape(transformer: Any) -> tuple[int, int, int]:
    """Return the shape of one sample of a transformer."""
    config = transformer.config
    return (config.in_channels, config.sample_size, config.sample_size)
