"""What holds for every objective: equal sets are at distance 0, and weights are copies."""

from dataclasses import replace

import pytest
import torch

from ddoq.matching.labeled import Labeled
from ddoq.matching.scene import Scene
from ddoq.objectives.feature_mean import FeatureMean
from ddoq.objectives.gradient import GradientDistance
from ddoq.objectives.mmd import MMD

OBJECTIVES = [FeatureMean(), FeatureMean(cross_entropy=2.0), MMD(), MMD(kernel="linear")]
OBJECTIVES += [GradientDistance()]


def copied(side: Labeled) -> Labeled:
    """Return a side with copies in place of weights."""
    each = torch.arange(len(side.labels)).repeat_interleave(side.weights.long())
    return Labeled(side.images[each], side.labels[each], torch.ones(len(each)))


def moved(scene: Scene, synthetic: Labeled, x: torch.Tensor) -> Scene:
    return replace(scene, synthetic=lambda: replace(synthetic, images=x))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_weights_are_copies_on_both_sides(objective, real, synthetic, make_scene):
    heavy = replace(real, weights=torch.arange(12.0) % 4 + 1)
    weighted = objective.loss(make_scene(heavy, synthetic, trust=0.5))
    counted = objective.loss(make_scene(copied(heavy), copied(synthetic), trust=0.5))
    assert counted.item() == pytest.approx(weighted.item(), rel=1e-9)
    plain = objective.loss(make_scene(real, synthetic))
    assert weighted.item() != pytest.approx(plain.item())


# The constant in DC's denominators keeps equal gradients from distance 0.
AT_0 = [FeatureMean(), MMD(), MMD(kernel="linear"), GradientDistance(epsilon=1e-15)]


@pytest.mark.parametrize("objective", AT_0, ids=str)
def test_equal_sets_are_at_distance_0_and_stay(objective, real, make_scene):
    x = real.images.clone().requires_grad_(True)
    loss = objective.loss(moved(make_scene(real, real), real, x))
    [found] = torch.autograd.grad(loss, x)
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert found.abs().max() < 1e-9


# The bandwidth of a Gaussian kernel is no part of its gradient: see test_mmd.
@pytest.mark.parametrize("objective", [o for o in OBJECTIVES if o != MMD()], ids=str)
def test_gradients_are_those_of_finite_differences(objective, real, synthetic, make_scene):
    scene = make_scene(real, synthetic, trust=0.5)
    x = synthetic.images.clone().requires_grad_(True)
    torch.autograd.gradcheck(lambda x: objective.loss(moved(scene, synthetic, x)), (x,))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_all_classes_together_are_the_sum_of_each(objective, real, synthetic, make_scene):
    together = objective.loss(make_scene(real, synthetic, trust=0.5))
    apart = [
        objective.loss(make_scene(real.of_class(c), synthetic.of_class(c), c, trust=0.5))
        for c in range(3)
    ]
    assert together.item() == pytest.approx(sum(loss.item() for loss in apart), rel=1e-6)
