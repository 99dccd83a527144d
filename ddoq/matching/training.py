"""Weighted losses of a network given by its vector of weights, and their gradients."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ddoq.matching.labeled import Labeled, weighted_mean
from ddoq.matching.network import FlatNetwork
from ddoq.matching.scene import View


def cross_entropy(logits: Float[Tensor, "n classes"], batch: Labeled) -> Float[Tensor, ""]:
    """Return the weighted mean of the cross entropies with the labels."""
    return weighted_mean(F.cross_entropy(logits, batch.labels, reduction="none"), batch.weights)


def weight_gradient(
    network: FlatNetwork, view: View, batch: Labeled, *, create_graph: bool = False
) -> list[Tensor]:
    """Return the gradient of a batch's loss by the weights, layer by layer."""
    layers = [layer.detach().requires_grad_(True) for layer in network.layers(view.weights)]
    with torch.enable_grad():
        loss = cross_entropy(network.logits_of(layers, batch.images), batch)
        found = torch.autograd.grad(loss, layers, create_graph=create_graph, materialize_grads=True)
    return list(found)
