"""Blocks of decoders: the one within others, and the one for raw samples of a prior."""

from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.recipe.tables import DECODERS

# Settings of a decoder that raw samples have too.
_SHARED = ("steps", "guidance", "interval", "scheduler", "prompt", "negative_prompt", "block")


def innermost(decoder: Block) -> Block:
    """Return the decoder within those that choose among its images, or the decoder itself."""
    while isinstance(decoder.get("decoder"), dict):
        decoder = decoder["decoder"]
    return decoder


def raw_decoder(decoder: Block, prior: Block, **given: object) -> Block:
    """Return the block of a decoder that ignores points.

    Its settings are `given`, or those of a recipe's decoder if that draws from the prior, or else
    the defaults of the decoder that has the prior's name.
    """
    decoder = innermost(decoder)
    is_prior = DECODERS.get(decoder["name"]) == DECODERS["diffusion"]
    name = prior["name"] if prior["name"] in DECODERS else "diffusion"
    own = {k: decoder[k] for k in _SHARED if k in decoder} if is_prior else {}
    name = decoder["name"] if is_prior else name
    block = complete(KINDS, "decoder", {"name": name, **own, **given, "start": "noise"})
    return {k: v for k, v in block.items() if k not in ("strength", "guide")}
