"""New autoencoders of diffusers, to be trained, and the one interface to what they return."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ddoq.data.images import Images
from ddoq.errors import UsageError


def new_autoencoder(
    kind: str, images: Images, *, width: int, downsamplings: int, latent_channels: int
) -> Any:
    """Return an untrained autoencoder of a kind: `kl`, `tiny` or `dc`."""
    side = images.image_size
    if side % 2**downsamplings:
        raise UsageError(
            f"pretrain.autoencoder: {side} pixels cannot be halved {downsamplings} times",
            "choose data.image_size or pretrain.autoencoder.downsamplings to fit",
        )
    make = {"tiny": _new_tiny, "dc": _new_dc}.get(kind, _new_kl)
    return make(images, width, downsamplings + 1, latent_channels)


def _new_tiny(images: Images, width: int, levels: int, latent_channels: int) -> Any:
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    return AutoencoderTiny(
        in_channels=images.channels,
        out_channels=images.channels,
        latent_channels=latent_channels,
        encoder_block_out_channels=(width,) * levels,
        decoder_block_out_channels=(width,) * levels,
        num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels,
    )


def _new_dc(images: Images, width: int, levels: int, latent_channels: int) -> Any:
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    if width % latent_channels:
        # Its shortcuts average groups of channels.
        raise UsageError(
            f"pretrain.autoencoder: width={width} is no multiple of latent_channels="
            f"{latent_channels}",
            "autoencoder=dc needs that",
        )
    sizes: dict[str, Any] = {}
    for half in ("encoder", "decoder"):
        sizes[f"{half}_block_out_channels"] = (width,) * levels
        sizes[f"{half}_layers_per_block"] = (1,) * levels
        sizes[f"{half}_qkv_multiscales"] = ((),) * levels
    return AutoencoderDC(in_channels=images.channels, latent_channels=latent_channels, **sizes)


def _new_kl(images: Images, width: int, levels: int, latent_channels: int) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return AutoencoderKL(
        **blocks,
        in_channels=images.channels,
        out_channels=images.channels,
        latent_channels=latent_channels,
        block_out_channels=tuple(width * min(2**i, 4) for i in range(levels)),
        layers_per_block=1,
        norm_num_groups=min(8, width),
        sample_size=images.image_size,
        scaling_factor=1.0,
    )


def encoded(
    model: Any, x: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n d g g"], Float[Tensor, ""]]:
    """Return latents for the decoder, and the KL per dimension (0 without a posterior)."""
    output = model.encode(x)
    if "latent_dist" in output:
        posterior = output.latent_dist
        return posterior.sample(), posterior.kl().mean() / posterior.mean[0].numel()
    return _latents(output), x.new_zeros(())


def mean_latents(model: Any, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d g g"]:
    """Return unscaled latents of images in [0, 1]; of a posterior, its mean."""
    output = model.encode(images * 2 - 1)
    return output.latent_dist.mean if "latent_dist" in output else _latents(output)


def _latents(output: Any) -> Tensor:
    return output.latents if "latents" in output else output.latent
