"""Any of torchvision's classification models as a student, for images of any size."""

from typing import Any

import torch
from torch import nn

from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest
from ddoq.students.stem import read_channels, suit_stem
from ddoq.students.trial import try_on

_REFUSED = ("weights", "weights_backbone", "pretrained", "pretrained_backbone")
# In training, these return the logits of auxiliary classifiers too, if allowed.
_WITH_AUXILIARIES = ("googlenet", "inception_v3")


def torchvision_student(
    num_classes: int, channels: int, image_size: int, model: str, **settings: Any
) -> nn.Module:
    """Return a new torchvision model. `settings` go to its constructor.

    Models of a fixed input size are made for `image_size`. Up to 64 pixels, a 3x3 convolution
    without stride replaces the first strided one, and a max pooling stem is left out. If images
    do not have 3 channels, the first convolution is replaced.
    """
    from torchvision.models import get_model

    check_model(model)
    _check_settings(model, settings)
    settings = {**_suited(model, image_size), **settings}
    try:
        net = get_model(model, num_classes=num_classes, **settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"torchvision/{model} cannot be made with {settings}: {error}",
            "see the model's constructor",
        ) from error
    if channels != 3:
        read_channels(net, channels)
    suit_stem(net, image_size)
    without_numbers = torch.empty(1, channels, image_size, image_size, device="meta")
    try_on(net, f"torchvision/{model}", without_numbers)
    return net


def check_model(model: str) -> None:
    """Refuse a name that torchvision does not know as a classification model."""
    known = models()
    if model not in known:
        raise UsageError(
            f"torchvision has no classification model {model!r}{nearest(model, known)}",
            "list them with `python -m ddoq.students search=torchvision/*`",
        )


def models() -> list[str]:
    """Return the names of torchvision's classification models."""
    from torchvision import models

    return models.list_models(module=models)


def _check_settings(model: str, settings: dict[str, Any]) -> None:
    refused = [key for key in settings if key in _REFUSED]
    if refused:
        raise UsageError(
            f"torchvision/{model}: {refused[0]} would load trained weights",
            "students start untrained; give a teacher's weights by its own source",
        )
    if model in _WITH_AUXILIARIES and settings.get("aux_logits"):
        raise UsageError(
            f"torchvision/{model}: with aux_logits it returns more than logits",
            "leave aux_logits out; a student has one loss",
        )


def _suited(model: str, image_size: int) -> dict[str, Any]:
    """Return the settings that a model needs to be a student on images of this size."""
    if model.startswith("vit_"):
        return {"image_size": image_size}
    if model.startswith("maxvit"):
        return {"input_size": (image_size, image_size)}
    if model in _WITH_AUXILIARIES:
        # Without this setting torchvision warns, and uses true.
        return {"aux_logits": False, "init_weights": True}
    return {}
