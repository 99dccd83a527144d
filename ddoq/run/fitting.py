"""Does a published prior fit the recipe? Its small files tell, before anything is loaded."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ddoq.autoencoders.shapes import LEVELS, latent_shape
from ddoq.data.imagenet import imagenet_ids
from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import read_json
from ddoq.files.given import intact
from ddoq.priors.classes import Classes
from ddoq.priors.conditions import LABELED, NO_NULL_LABEL
from ddoq.priors.space import SampleSpace, refuse_shape, space_of
from ddoq.priors.unet import sample_shape
from ddoq.recipe import shipped
from ddoq.recipe.component import Block

if TYPE_CHECKING:
    from ddoq.run import Run

# By prior: the space of its samples unless its folder tells, and what counts its labels.
_DIFFUSERS: dict[str, tuple[SampleSpace, str]] = {
    "dit": ("latents", "num_embeds_ada_norm"),
    "unet": ("pixels", "num_class_embeds"),
}


def refuse_misfit(run: "Run", block: Block, drawn: Sequence[Block]) -> None:
    """Refuse a prior that does not know the classes, or draws samples of another shape."""
    config = _config(block)
    is_here = shipped.locate(block["source"]).exists()
    # The Hub is asked only if the answer may be no. If it is silent, loading will tell.
    if block["name"] in LABELED and (is_here or not _are_imagenets(run)):
        with contextlib.suppress(ResourceError):
            _refuse_classes(run, block, config, drawn)
    if config is not None and block["name"] in _DIFFUSERS:
        _refuse_shape(run, block, config)


def _are_imagenets(run: "Run") -> bool:
    return set(run.images.class_ids) <= set(imagenet_ids())


def _refuse_classes(
    run: "Run", block: Block, config: dict[str, Any] | None, drawn: Sequence[Block]
) -> None:
    source = block["source"]
    classes = Classes.of(source, block.get("revision"))
    labels = config.get(_DIFFUSERS[block["name"]][1]) if config else None
    if labels is not None:
        classes.refuse_more_than(labels, source)
    classes.labels(run.images.class_ids)
    is_full = block["name"] == "unet" and labels == len(classes.ids)
    if is_full and any(one.get("guidance", 1.0) > 1 for one in drawn):
        raise UsageError(*NO_NULL_LABEL)


def _refuse_shape(run: "Run", block: Block, config: dict[str, Any]) -> None:
    source = block["source"]
    space = space_of(source, otherwise=_DIFFUSERS[block["name"]][0])
    latents = _latent_shape(run)
    if (block.get("space") or space) == "latents" and latents is not None:
        with intact(source):
            shape = sample_shape(config)
        refuse_shape(shape, latents)


def _latent_shape(run: "Run") -> tuple[int, ...] | None:
    """Return the shape of a latent, if it is known before the autoencoder is loaded."""
    block = run.recipe.autoencoder
    size = block.get("image_size") or run.image_size
    if block["name"] == "identity":
        return (run.channels, size, size)
    config = _config(block) if block["name"] in LEVELS else None
    try:
        return latent_shape(block["name"], config, size) if config else None
    except (KeyError, TypeError):
        return None


def _config(block: Block) -> dict[str, Any] | None:
    """Return the configuration of a component's network, if its folder is on this machine."""
    file = shipped.locate(block["source"]) / (block.get("subfolder") or ".") / "config.json"
    if not file.is_file():
        return None
    with intact(file):
        return dict(read_json(file))
