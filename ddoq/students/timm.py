"""Any timm model as a student, with a stem and patches that suit small images."""

from typing import Any

from torch import nn

from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest
from ddoq.students.stem import SMALL_IMAGE, suit_stem

_REFUSED = ("checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay")


def timm_student(
    num_classes: int, channels: int, image_size: int, model: str, **settings: Any
) -> nn.Module:
    """Return a new timm model. `settings` go to its constructor.

    Models of a fixed input size are made for `image_size`. Up to 64 pixels, a 3x3 convolution
    without stride replaces the first strided one, and a max pooling stem is left out.
    """
    import timm

    check_model(model)
    refused = [k for k in settings if k in _REFUSED]
    if refused:
        raise UsageError(
            f"timm/{model}: {refused[0]} would read a file that may hold code",
            "students start untrained; give a teacher's weights by its own source",
        )
    if timm.get_pretrained_cfg_value(model, "fixed_input_size"):
        settings = {"img_size": image_size, **_patches(image_size), **settings}
    try:
        net = timm.create_model(model, num_classes=num_classes, in_chans=channels, **settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"timm/{model} cannot be made with {settings}: {error}", "see the model's constructor"
        ) from error
    suit_stem(net, image_size)
    return net


def check_model(model: str) -> None:
    """Refuse a name that timm does not know."""
    import timm

    if not timm.is_model(model):
        raise UsageError(
            f"timm has no model {model!r}{nearest(model, timm.list_models())}",
            "list them with timm.list_models('*vit*')",
        )


def _patches(image_size: int) -> dict[str, int]:
    """Return settings that cut small images into 8 x 8 patches, as 16 pixel patches cut 128."""
    return {"patch_size": max(1, image_size // 8)} if image_size < 2 * SMALL_IMAGE else {}
