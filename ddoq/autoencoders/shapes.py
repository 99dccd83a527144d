"""The shape of an image's latent, which a diffusers autoencoder's configuration tells."""

from collections.abc import Mapping
from typing import Any

# By autoencoder: what lists its levels. Each but the first halves the sides.
LEVELS = {
    "kl": "block_out_channels",
    "tiny": "encoder_block_out_channels",
    "dc": "encoder_block_out_channels",
}


def latent_shape(name: str, config: Mapping[str, Any], size: int) -> tuple[int, int, int]:
    """Return the shape of the latent of an image of this size, for an autoencoder's name."""
    side = size // 2 ** (len(config[LEVELS[name]]) - 1)
    return (int(config["latent_channels"]), side, side)
