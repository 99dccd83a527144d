"""Does an autoencoder learn from the teacher's feature maps, and does its key say so?"""

from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.autoencoders.perceptual import distance, maps_of
from ddoq.errors import UsageError
from ddoq.run import Run

SMALL = [
    "recipe=digits",
    "autoencoder.source=pretrain",
    "pretrain.autoencoder={steps: 30, width: 8, downsamplings: 1}",
]


def run(*overrides: str) -> Run:
    return Run(recipe.read([*SMALL, *overrides]).recipe)


def test_the_distance_is_that_of_directions() -> None:
    """Opposite unit vectors are 4 apart, orthogonal ones 2; lengths make no difference."""
    a = torch.tensor([[1.0, 0.0], [3.0, 0.0]])[:, :, None, None]
    b = torch.tensor([[-2.0, 0.0], [0.0, 5.0]])[:, :, None, None]
    assert float(distance([a], [b])) == pytest.approx((4 + 2) / 2)
    assert float(distance([a, a], [b, 7 * a])) == pytest.approx(1.5)


def test_gradients_reach_the_images_through_a_frozen_teacher() -> None:
    teacher, x = run().teacher, torch.rand(2, 1, 8, 8, requires_grad=True)
    distance(teacher.maps(x), teacher.maps(torch.rand(2, 1, 8, 8))).backward()
    assert x.grad is not None
    assert bool((x.grad.flatten(1).abs().sum(1) > 0).all())


def test_only_an_autoencoder_that_learns_from_the_teacher_has_it_in_its_key() -> None:
    other = "teacher={name: trained, source: pretrain}"
    without, learns = [], ["pretrain.autoencoder.perceptual=0.1"]
    assert run().pretrain_key("autoencoder") == run(other).pretrain_key("autoencoder")
    keys = [run(*learns, *more).pretrain_key("autoencoder") for more in (without, [other])]
    assert keys[0] != keys[1]


def test_reconstructions_come_nearer_in_the_teachers_features(tmp_path: Path) -> None:
    found = []
    for weight in (0.0, 1.0):
        own = run(f"pretrain.autoencoder.perceptual={weight}", f"cache={tmp_path}")
        images = own.images.pixels("val") / 255
        decoded = own.autoencoder.decode(own.autoencoder.encode(images))
        found.append(float(distance(own.teacher.maps(decoded), own.teacher.maps(images))))
        card = (own.pretrained("autoencoder") / "CARD.md").read_text()
        assert ("teacher's accuracy on validation reconstructions" in card) == (weight > 0)
    assert found[1] < 0.9 * found[0]


def test_a_teacher_without_feature_maps_is_refused() -> None:
    with pytest.raises(UsageError, match="the teacher Linear has no `maps`"):
        maps_of(torch.nn.Linear(2, 2))
