"""Do all autoencoders keep their promises: floats in [0, 1], scale, shift, differentiable?"""

from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from ddoq.autoencoders.dc import DC
from ddoq.autoencoders.identity import Identity
from ddoq.autoencoders.kl import KL
from ddoq.autoencoders.tiny import Tiny
from ddoq.errors import ResourceError, UsageError


@pytest.fixture
def kl_folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=2,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=0.25,
    )
    model.save_pretrained(tmp_path / "kl")
    return tmp_path / "kl"


def test_identity_decodes_what_it_encoded() -> None:
    x = torch.rand(2, 1, 4, 4)
    identity = Identity()
    torch.testing.assert_close(identity.decode(identity.encode(x)), x)
    assert identity.encode(torch.ones(1, 1, 2, 2)).unique().tolist() == [1.0]


def test_scale_and_shift_are_those_of_the_configuration(kl_folder: Path) -> None:
    kl, x = KL(source=str(kl_folder)), torch.rand(2, 3, 8, 8)
    mean = kl.model.encode(x * 2 - 1).latent_dist.mean
    torch.testing.assert_close(kl.encode(x), (mean - 0.25) * 0.5)
    torch.testing.assert_close(kl.decode(kl.encode(x)), kl.model.decode(mean).sample / 2 + 0.5)


def test_the_mean_and_deviation_of_each_channel_are_taken(tmp_path: Path) -> None:
    """As diffusers' StableDiffusionXLPipeline does, which has no shift beside them."""
    torch.manual_seed(0)
    mean, deviation = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 4.0])
    AutoencoderKL(
        block_out_channels=(4,),
        norm_num_groups=4,
        latent_channels=2,
        scaling_factor=0.5,
        latents_mean=mean.tolist(),
        latents_std=deviation.tolist(),
    ).save_pretrained(tmp_path)
    kl, x = KL(source=str(tmp_path)), torch.rand(2, 3, 8, 8)
    raw = kl.model.encode(x * 2 - 1).latent_dist.mean
    expected = (raw - mean.view(1, 2, 1, 1)) * 0.5 / deviation.view(1, 2, 1, 1)
    torch.testing.assert_close(kl.encode(x), expected)
    torch.testing.assert_close(kl.decode(expected), kl.model.decode(raw).sample / 2 + 0.5)


def test_a_sampled_latent_is_the_mean_plus_scaled_noise(kl_folder: Path) -> None:
    kl, x = KL(source=str(kl_folder), samples=True), torch.rand(2, 3, 8, 8)
    noise = torch.randn(2, *kl.latent_shape(3, 8))
    deviation = kl.model.encode(x * 2 - 1).latent_dist.std
    torch.testing.assert_close(kl.encode(x, noise) - kl.encode(x), deviation * noise * 0.5)


def test_latents_are_differentiable(kl_folder: Path) -> None:
    kl, x = KL(source=str(kl_folder)), torch.rand(1, 3, 8, 8, requires_grad=True)
    kl.decode(kl.encode(x)).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_the_latent_shape_is_the_one_that_comes_out(kl_folder: Path) -> None:
    kl = KL(source=str(kl_folder))
    assert kl.encode(torch.rand(1, 3, 16, 16)).shape[1:] == kl.latent_shape(3, 16) == (2, 8, 8)


def test_the_tiny_autoencoder_is_loaded_from_a_folder(tmp_path: Path) -> None:
    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    AutoencoderTiny(**sizes, **blocks, scaling_factor=2.0).save_pretrained(tmp_path / "tiny")
    tiny, x = Tiny(source=str(tmp_path / "tiny")), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(tiny.encode(x), tiny.model.encode(x * 2 - 1).latents * 2)
    assert tiny.encode(x).shape[1:] == tiny.latent_shape(3, 8) == (4, 4, 4)


def test_deep_compression_is_loaded_from_a_folder(tmp_path: Path) -> None:
    sizes = {f"{h}_block_out_channels": (8, 8, 8) for h in ("encoder", "decoder")}
    sizes |= {f"{h}_layers_per_block": (1, 1, 1) for h in ("encoder", "decoder")}
    sizes |= {f"{h}_qkv_multiscales": ((), (), ()) for h in ("encoder", "decoder")}
    model = AutoencoderDC(latent_channels=4, **sizes, scaling_factor=2.0)
    model.save_pretrained(tmp_path / "dc")
    dc, x = DC(source=str(tmp_path / "dc")), torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(dc.encode(x), model.encode(x * 2 - 1).latent * 2)
    stock = model.decode(dc.encode(x) / 2).sample / 2 + 0.5
    torch.testing.assert_close(dc.decode(dc.encode(x)), stock)
    assert dc.encode(x).shape[1:] == dc.latent_shape(3, 16) == (4, 4, 4)


def test_missing_weights_are_an_error_with_a_remedy() -> None:
    with pytest.raises(ResourceError, match="no weights at"):
        KL(source="./nowhere")


def test_a_hub_model_must_be_pinned() -> None:
    with pytest.raises(UsageError, match="revision"):
        KL(source="someone/something")
