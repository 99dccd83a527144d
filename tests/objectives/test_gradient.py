"""Is it DC's distance of gradients?"""

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from ddoq.matching.training import weight_gradient
from ddoq.objectives.gradient import layer_cosine


def test_two_rows_by_hand():
    a = [torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([5.0, 6.0])]
    b = [torch.tensor([[0.0, 2.0], [4.0, 3.0]]), torch.tensor([-5.0, 0.0])]
    # A right angle, and 24 / 25; vectors do not count.
    assert float(layer_cosine(a, b, epsilon=0.0)) == pytest.approx(1 + 1 - 24 / 25)


def test_only_directions_of_rows_matter():
    a = [torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))]
    b = [torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))]
    scale = torch.tensor([1.0, 2, 3, 4])[:, None, None, None]
    plain = layer_cosine(a, b, epsilon=0.0)
    assert layer_cosine([scale * a[0]], b, epsilon=0.0) == pytest.approx(float(plain), rel=1e-5)
    assert float(layer_cosine(a, [5 * a[0]], epsilon=0.0)) == pytest.approx(0, abs=1e-6)


def test_a_row_without_gradient_counts_1_and_moves_nothing():
    a, b = torch.zeros(1, 3, requires_grad=True), torch.ones(1, 3)
    distance = layer_cosine([a], [b])
    [found] = torch.autograd.grad(distance, a)
    assert distance.item() == 1
    assert found.isfinite().all()


def test_gradients_class_by_class_are_those_of_one_batched_call(real, make_scene):
    scene = make_scene(real, real)
    net, flat = scene.network._module.net.double(), scene.view.weights
    names = [n.removeprefix("net.") for n in scene.network._names]

    def loss(weights, image, label):
        tensors = dict(zip(names, scene.network.layers(weights), strict=True))
        return F.cross_entropy(functional_call(net, tensors, (image[None],)), label[None])

    of_images = vmap(grad(loss), (None, 0, 0))(flat, real.images, real.labels)
    for label in range(3):
        found = weight_gradient(scene.network, scene.view, real.of_class(label))
        flat_found = torch.cat([layer.flatten() for layer in found])
        torch.testing.assert_close(flat_found, of_images[real.labels == label].mean(0))
