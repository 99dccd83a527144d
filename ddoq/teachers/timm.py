"""A teacher with timm's pretrained weights."""

from typing import Any

from ddoq.data.imagenet import imagenet_ids
from ddoq.errors import ResourceError
from ddoq.teachers.teacher import Precision, Teacher


def timm_teacher(model: str, *, dtype: Precision = "float32") -> Teacher:
    """Load a pretrained timm model that knows ImageNet-1K's classes."""
    import timm

    try:
        net = timm.create_model(model, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise ResourceError(
            f"timm/{model}: its weights are not here ({str(error).splitlines()[0]})",
            "download them once with a network, or train one: teacher=trained",
        ) from error
    about: dict[str, Any] = timm.get_pretrained_cfg(model).to_dict()  # type: ignore[union-attr] # it was just made
    return Teacher(
        net,
        class_ids=imagenet_ids(),
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
        image_size=about["input_size"][-1],
        dtype=dtype,
    )
