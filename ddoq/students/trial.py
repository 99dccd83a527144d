"""Trials of new networks: whether they take images of a given size."""

from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from ddoq.errors import UsageError
from ddoq.recipe.plugin import blamed, expect_tensor


def try_on(net: nn.Module, name: str, image: Float[Tensor, "1 c h w"]) -> None:
    """Run a network on one image. On the `meta` device no number is computed."""
    named = chain(net.named_parameters(), net.named_buffers())
    tensors = {key: tensor.to(image.device) for key, tensor in named}
    net.eval()
    try:
        functional_call(net, tensors, (image,))
    except (RuntimeError, ValueError, AssertionError) as error:
        channels, size = image.shape[1:3]
        raise UsageError(
            f"{name} cannot take images of {channels} x {size} x {size}: {_first_line(error)}",
            "use larger images, or a network with fewer poolings and strides",
        ) from error
    net.train()


@torch.no_grad()
def try_logits(net: nn.Module, target: str, shape: tuple[int, int, int], num_classes: int) -> None:
    """Refuse a user's network that does not return one logit for each class of each image."""
    with blamed(target, net):
        was_training = net.training
        blank = torch.zeros(2, *shape)
        net.eval()
        logits = net(blank.to(next(net.parameters(), blank).device))
        net.train(was_training)
    expect_tensor(logits, (2, num_classes), net, f"{target} given 2 images")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
