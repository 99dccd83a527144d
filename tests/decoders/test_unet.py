"""Are points pushed through a U-Net keyed, padded, and decoded to where it works?"""

import pytest
import torch

from ddoq import keyed
from ddoq.autoencoders.identity import Identity
from ddoq.data.images import Images
from ddoq.decoders.integrate import heun
from ddoq.decoders.unet import UNet
from ddoq.errors import UsageError
from ddoq.priors import edm
from ddoq.quantize.blocks import PointBlock


class Halved:
    """An autoencoder of 4x4 latents whose images are the latents, enlarged."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Blobs:
    """An exact prior: class 0 is N(0.5, 0.1^2) in every pixel, class 1 N(-0.5, 0.1^2)."""

    def __init__(self, space: str = "pixels", size: int = 8) -> None:
        self.space, self.shape, self.device = space, (1, size, size), torch.device("cpu")

    def labels_of(self, class_ids: tuple[str, ...]) -> torch.Tensor:
        return torch.tensor([("a", "b").index(c) for c in class_ids])

    def levels(self, steps: int) -> torch.Tensor:
        return edm.levels(steps, sigma_min=0.002, sigma_max=80.0)

    def denoised(
        self, x: torch.Tensor, level: float, labels: torch.Tensor, guidance: float
    ) -> torch.Tensor:
        mean = (0.5 - labels.float())[:, None, None, None]
        return mean + 0.01 / (0.01 + level**2) * (x - mean)


@pytest.fixture
def make(tiny_images: Images):
    def made(prior: Blobs, autoencoder: object | None = None, **settings: object) -> UNet:
        return UNet(autoencoder or Identity(), prior, tiny_images, 0, **settings)  # type: ignore[arg-type]

    return made


def block(points: torch.Tensor, labels: list[int]) -> PointBlock:
    return PointBlock(points, torch.tensor(labels), torch.arange(len(labels)))


def test_raw_samples_are_those_of_their_class(make):
    drawn = make(Blobs(), start="noise").decode(block(torch.zeros(40, 1, 8, 8), [0, 1] * 20))
    pixels = drawn * 2 - 1
    assert float(pixels[::2].mean()) == pytest.approx(0.5, abs=0.02)
    assert float(pixels[1::2].mean()) == pytest.approx(-0.5, abs=0.02)
    assert float(pixels[::2].std()) == pytest.approx(0.1, abs=0.02)


def test_no_strength_leaves_the_point(make):
    points = torch.rand(3, 1, 8, 8) * 2 - 1
    images = make(Blobs(), strength=0.0).decode(block(points, [0, 1, 0]))
    assert torch.allclose(images, points / 2 + 0.5, atol=1e-6)
    too_small = make(Blobs(), strength=0.05, steps=18).decode(block(points, [0, 1, 0]))
    assert torch.equal(too_small, images)


def test_the_point_is_noised_to_its_level_and_denoised_from_there(make):
    points, labels = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 0])
    decoder, prior = make(Blobs(), strength=0.5, steps=10), Blobs()
    levels = prior.levels(10)[5:]
    keys = labels * 2**24 + torch.arange(3)
    noise = keyed.normal(keyed.seed_of("decode", 0), keys, (1, 8, 8))
    expected = heun(
        lambda x, level: prior.denoised(x, level, labels, 1.0), points + levels[0] * noise, levels
    )
    found = decoder.decode(block(points, [0, 1, 0]))
    assert torch.allclose(found, expected / 2 + 0.5, atol=1e-6)


def test_points_of_any_latent_space_are_decoded_before_they_are_noised(make):
    latents = torch.rand(2, 1, 4, 4)
    decoder = make(Blobs(), Halved(), strength=0.0)
    assert torch.allclose(decoder.decode(block(latents, [0, 1])), Halved().decode(latents))
    even = torch.rand(2, 1, 1, 1).expand(2, 1, 4, 4)
    smaller = make(Blobs(size=4), Halved(), strength=0.0).decode(block(even, [0, 1]))
    assert torch.allclose(smaller, even, atol=1e-5)


def test_a_prior_of_latents_denoises_before_the_autoencoder_decodes(make):
    latents = torch.rand(2, 1, 4, 4)
    decoder = make(Blobs(space="latents", size=4), Halved(), strength=0.0)
    assert torch.equal(decoder.decode(block(latents, [0, 1])), Halved().decode(latents))
    raw = make(Blobs(space="latents", size=4), Halved(), start="noise")
    assert raw.decode(block(latents, [0, 1])).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("scheduler", ["heun", "dpm"])
def test_a_sample_depends_on_class_and_number_alone(make, scheduler: str):
    decoder = make(Blobs(), start="noise", scheduler=scheduler)
    whole = decoder.decode(block(torch.zeros(5, 1, 8, 8), [0, 0, 1, 1, 1]))
    part = PointBlock(torch.zeros(1, 1, 8, 8), torch.tensor([1]), torch.tensor([3]))
    assert torch.allclose(decoder.decode(part)[0], whole[3], atol=1e-5)


def test_settings_that_mean_nothing_are_refused(make):
    with pytest.raises(UsageError, match="strength"):
        make(Blobs(), strength=1.5)
