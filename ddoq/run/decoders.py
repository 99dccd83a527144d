"""Checks of decoders whose settings do not fit together, made before any work."""

from typing import TYPE_CHECKING

from ddoq.decoders.starts import PARTIAL, first_step
from ddoq.errors import UsageError
from ddoq.priors.conditions import PROMPTED, prompts_of
from ddoq.priors.raw import innermost
from ddoq.priors.schedulers import draws
from ddoq.recipe.component import Block
from ddoq.recipe.tables import DECODERS
from ddoq.run.published import known_schedule

if TYPE_CHECKING:
    from ddoq.run import Run

# Starts at which a point is a noisy sample, and not the latent of an image.
_AS_NOISE = ("noisy", "direct")
# Starts that add noise.
_NOISED = ("renoise", "noise")
# Schedulers that draw at every step, or may do so.
_MAY_DRAW = (None, "ddpm", "dpm")
_DRAWN = (
    "use a start that adds noise (renoise with a strength of a step or more, or noise) or a "
    "scheduler that draws (ddpm), or the decoder within it alone"
)


def refuse_decoder(run: "Run", block: Block) -> None:
    """Refuse a decoder whose settings do not fit together."""
    inner = innermost(block)
    low, high = inner.get("interval", (0.0, 1.0))
    if low >= high:
        raise UsageError(
            f"decoder.interval={[low, high]}: guidance would never be used",
            "give the smaller share first and a larger one then, or guidance=1",
        )
    if run.recipe.prior["name"] in PROMPTED and "prompt" in inner:
        prompts_of(inner["prompt"], run.images.class_names)
    if inner is not block:
        _refuse_choice(run, block, inner)


def _refuse_choice(run: "Run", block: Block, inner: Block) -> None:
    """Refuse to choose among images that are made together, are all the same, or nothing like."""
    name, guide, start = block["name"], inner.get("guide"), inner.get("start")
    if guide and run.make("guide", guide).guides_classes:
        raise UsageError(
            f"decoder {name}: the images of a class that is guided as a whole cannot be "
            "chosen alone",
            f"use another guide than {guide['name']}, or no choice of the best",
        )
    if start in _AS_NOISE and "closest" in _names(block):
        raise UsageError(
            f"decoder closest: with start={start} points are noise, so no image is close to its "
            "point",
            "use start=renoise, invert or noise, or another choice than closest",
        )
    if _repeats(run, block):
        raise UsageError(
            f"decoder {name}: {inner['name']} makes the same image of a point each time, so there "
            "is nothing to choose",
            _DRAWN,
        )


def _names(block: Block) -> list[str]:
    """Return the names of a decoder and of those within it."""
    within = block.get("decoder")
    return [block["name"], *(_names(within) if isinstance(within, dict) else [])]


def _repeats(run: "Run", block: Block) -> bool:
    """Say whether a decoder is known to choose among several images that are all the same."""
    within = block.get("decoder")
    if not isinstance(within, dict):
        return False
    is_known = DECODERS.get(block["name"]) in (DECODERS["confident"], DECODERS["closest"])
    several = is_known and block.get("number", 1) > 1
    return (several and _is_fixed(run, within)) or _repeats(run, within)


def _is_fixed(run: "Run", block: Block) -> bool:
    """Say whether a decoder is known to draw nothing."""
    target = DECODERS.get(block["name"])
    if target == DECODERS["diffusion"]:
        start, steps = block["start"], block["steps"]
        if start in PARTIAL and first_step(steps, block["strength"]) == steps:
            return True
        return start not in _NOISED and not _may_draw(run, block["scheduler"])
    if isinstance(block.get("decoder"), dict):
        return target is not None and _is_fixed(run, block["decoder"])
    return target in (DECODERS["plain"], DECODERS["nearest"])


def _may_draw(run: "Run", scheduler: str | None) -> bool:
    """Say whether a scheduler draws, or may do so if the prior's folder is not on this machine."""
    config = known_schedule(run)
    return scheduler in _MAY_DRAW if config is None else draws(config, scheduler)
