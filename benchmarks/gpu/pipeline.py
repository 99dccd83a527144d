"""A folder in the layout of diffusers' DiTPipeline, of DiT-XL/2's shape and random weights."""

from pathlib import Path

import torch
from diffusers.utils import logging

from benchmarks.gpu.part import Options

# DiT-XL/2 at 256 pixels, and Stable Diffusion's autoencoder.
_LAYERS, _HEADS, _HEAD_SIZE, _GRID = 28, 16, 72, 32
_WIDTHS = (128, 256, 512, 512)
_SCHEDULE = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "clip_sample": False}
_FACTOR = 8


def pixels_at(scale: float) -> int:
    """Return the side of the pipeline's images: 256 at scale 1."""
    return _FACTOR * max(4, round(_GRID * scale))


def random_pipeline(asked: Options, device: torch.device) -> Path:
    """Return the folder, which the parts of one call share; made by the first that needs it."""
    folder = asked.folder_of("pipeline")
    # The last to be written.
    if not (folder / "vae" / "config.json").exists():
        # It warns whenever a model is cast, with an empty list of what should not be.
        logging.set_verbosity_error()
        torch.manual_seed(0)
        with torch.device(device):
            _save_transformer(folder / "transformer", asked.scale)
            _save_autoencoder(folder / "vae", asked.scale)
    return folder


def _save_transformer(folder: Path, scale: float) -> None:
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    small = scale < 1
    transformer = DiTTransformer2DModel(
        num_layers=max(2, round(_LAYERS * scale)),
        num_attention_heads=2 if small else _HEADS,
        attention_head_dim=16 if small else _HEAD_SIZE,
        sample_size=pixels_at(scale) // _FACTOR,
        in_channels=4,
        out_channels=8,
        patch_size=2,
        num_embeds_ada_norm=1000,
    )
    # Half of the bytes on the disk; it is loaded in single precision all the same.
    transformer.to(torch.bfloat16).save_pretrained(folder, max_shard_size="20GB")
    DDIMScheduler(num_train_timesteps=1000, **_SCHEDULE).save_pretrained(
        folder.with_name("scheduler")
    )


def _save_autoencoder(folder: Path, scale: float) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    small = scale < 1
    autoencoder = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16) if small else _WIDTHS,
        norm_num_groups=8 if small else 32,
        layers_per_block=1 if small else 2,
        sample_size=pixels_at(scale),
        scaling_factor=0.18215,
    )
    autoencoder.save_pretrained(folder)
