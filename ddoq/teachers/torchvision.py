"""A teacher with torchvision's pretrained weights, such as the usual ResNet-18."""

from ddoq.data.imagenet import imagenet_ids
from ddoq.errors import ResourceError
from ddoq.teachers.teacher import Precision, Teacher


def torchvision_teacher(
    model: str,
    *,
    weights: str = "IMAGENET1K_V1",
    image_size: int = 224,
    dtype: Precision = "float32",
) -> Teacher:
    """Load a torchvision classifier of ImageNet-1K."""
    from torchvision.models import get_model

    try:
        net = get_model(model, weights=weights)
    except (OSError, ValueError, KeyError) as error:
        raise ResourceError(
            f"torchvision/{model} with {weights}: {str(error).splitlines()[0]}",
            "check the two names; the weights are downloaded once, with a network",
        ) from error
    return Teacher(
        net,
        class_ids=imagenet_ids(),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        image_size=image_size,
        dtype=dtype,
    )
