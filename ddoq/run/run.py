"""A run: the components made so far, the images and the latents.

Everything is made when it is first needed, so a finished run loads next to nothing.
"""

import copy
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.data.encoding import LATENTS
from ddoq.display.console import Console
from ddoq.files.artifacts import fingerprint
from ddoq.files.stage import Planned
from ddoq.priors.conditions import prompts_key
from ddoq.recipe import Recipe
from ddoq.recipe.component import Block, build, is_code, kind_of
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.signature import signature
from ddoq.run import pretraining
from ddoq.run.keys import component_key
from ddoq.run.refusals import refuse_resizing
from ddoq.run.site import Site
from ddoq.run.sources import weights_fingerprint

if TYPE_CHECKING:
    from ddoq.data.images import Images
    from ddoq.data.latents import LatentStore
    from ddoq.data.preprocessing import ZCA
    from ddoq.decoders.inverted import Inversion
    from ddoq.teachers.teacher import Teacher


# The names by which a component's constructor may ask for parts of a run.
_NOUNS = (
    "autoencoder",
    "channels",
    "image_size",
    "images",
    "latents",
    "make",
    "num_classes",
    "prior",
    "seed",
    "teacher",
)


class Run(Site):
    """The run of one recipe, at its site. It makes components, images and latents."""

    whole: "Run"
    """The run that this one was narrowed from, with all training images; else itself."""
    inversion: "Inversion | None"
    """How far latents are carried back along the prior's ODE, if points are found there."""
    clean: "Run"
    """The run whose latents are not carried back; else itself."""

    def __init__(self, recipe: Recipe, console: Console | None = None, **site: Any) -> None:
        self.whole = self.clean = self
        self.inversion = None
        self._weights: dict[str, str] = {}
        self._teachers: dict[str, Teacher] = {}
        super().__init__(recipe, console, **site)

    def key(self, kind: str, block: Block | None = None) -> dict[str, Any]:
        """Return what determines a component: its settings, weights and plugged-in source."""
        return component_key(kind, block or getattr(self.recipe, kind), self._weights_key)

    def _weights_key(self, kind: str, block: Block) -> Any:
        if block["source"] == "pretrain":
            return self.pretrain_key(kind)
        name = fingerprint([kind, block])
        if name not in self._weights:
            self._weights[name] = weights_fingerprint(kind, block)
        return self._weights[name]

    def pretrain_key(self, part: str) -> dict[str, Any]:
        """Return what determines the weights that `pretrain` makes."""
        return pretraining.pretrain_key(self, part)

    def pretrained(self, part: str) -> Path:
        """Return the folder of trained weights, training them first if need be."""
        return pretraining.pretrained(self, part)

    def make(self, kind: str, block: Block | None = None, **supplied: Any) -> Any:
        """Make a component. If the recipe says `pretrain`, its weights are trained first."""
        block = dict(block or getattr(self.recipe, kind))
        if block.get("source") == "pretrain":
            block["source"] = str(self.pretrained(kind))
        for noun in self.asks_for(kind, block):
            if noun not in supplied and noun in _NOUNS:
                supplied[noun] = getattr(self, noun)
        return build(KINDS, kind, block, **supplied)

    def asks_for(self, kind: str, block: Block) -> list[str]:
        """Return the parts of this run that a component's constructor asks for by name."""
        named = signature(KINDS[kind].target(kind, block["name"])).parameters
        return [noun for noun in KINDS[kind].supplies if noun in named]

    def reads(self, kind: str, block: Block) -> set[str]:
        """Return the parts of this run that a component and those within it ask for."""
        inner = {k: kind_of(KINDS, kind, k) for k, v in block.items() if isinstance(v, dict)}
        within = [self.reads(of, block[k]) for k, of in inner.items() if of is not None]
        return set(self.asks_for(kind, block)).union(*within)

    def narrowed(self, images: "Images") -> "Run":
        """Return this run with other training images, such as some of its own (`Images.select`).

        What is pretrained stays that of all images. Latents and sets are those of the new ones.
        """
        part = copy.copy(self)
        part.__dict__.pop("latents", None)
        part.__dict__["images"] = images
        return part

    @functools.cached_property
    def images(self) -> "Images":
        """The real images."""
        from ddoq.run.images import open_images

        return open_images(self)

    @functools.cached_property
    def autoencoder(self) -> Any:
        """The autoencoder, on this rank's device."""
        return self.make("autoencoder").to(self.world.device)

    @functools.cached_property
    def prior(self) -> Any:
        """The generative model, on this rank's device."""
        return self.make("prior").to(self.world.device)

    @property
    def teacher(self) -> "Teacher":
        """The recipe's teacher."""
        return self.teacher_of(None)

    def teacher_of(self, block: Block | None) -> "Teacher":
        """Return a teacher of this run's classes, on this rank's device; None for the recipe's."""
        block = block or self.recipe.teacher
        key = fingerprint(block)
        if key not in self._teachers:
            teacher = self.make("teacher", block).for_classes(self.images.class_ids)
            refuse_resizing(teacher, self.images)
            if is_code(block["name"]):
                self.try_own(teacher, block["name"])
            self._teachers[key] = teacher.to(self.world.device)
        return self._teachers[key]

    def try_own(self, net: Any, target: str) -> None:
        """Refuse a user's own network that does not return one logit per class for these images."""
        from ddoq.students.trial import try_logits

        shape = self.channels, self.image_size, self.image_size
        try_logits(net, target, shape, self.num_classes)

    def release(self) -> None:
        """Drop the networks that lie on a GPU. They are made again when they are needed."""
        if self.world.device.type != "cuda":
            return
        import torch

        for noun in ("autoencoder", "prior"):
            self.__dict__.pop(noun, None)
        self._teachers.clear()
        torch.cuda.empty_cache()

    @property
    def num_classes(self) -> int:
        """The number of classes of the images."""
        return self.images.num_classes

    @property
    def channels(self) -> int:
        """The number of channels of the images."""
        return self.images.channels

    @property
    def image_size(self) -> int:
        """The side of the images in pixels."""
        return self.images.image_size

    @property
    def latents_key(self) -> dict[str, Any]:
        """What determines the latents."""
        key: dict[str, Any] = {
            "images": self.images.fingerprint,
            "autoencoder": self.key("autoencoder"),
            # A GPU sums in another order.
            "device": self.world.device.type,
        }
        if self.recipe.autoencoder.get("samples", False):
            key["seed"] = self.recipe.seed
        if self.inversion is not None:
            key |= {"inversion": self.inversion.key, "prior": self.key("prior")}
            key |= prompts_key(self.recipe.prior, self.images)
        return key

    @property
    def planned_latents(self) -> Planned:
        """The latents, for a plan."""
        number = len(self.images.train)
        if self.inversion is None:
            return Planned(LATENTS, self.latents_key, needs=f"encode {number} images")
        from ddoq.decoders.inverted import INVERTED

        return Planned(INVERTED, self.latents_key, needs=f"invert {number} latents")

    @functools.cached_property
    def latents(self) -> "LatentStore":
        """The latents of the training images."""
        from ddoq.run.latents import open_latents

        return open_latents(self)

    @functools.cached_property
    def whitening(self) -> "ZCA":
        """The ZCA whitening of all training images."""
        from ddoq.run.whitening import open_whitening

        return open_whitening(self)

    def inverting(self, inversion: "Inversion") -> "Run":
        """Return this run with latents that are carried back along the prior's ODE."""
        part = copy.copy(self)
        part.__dict__.pop("latents", None)
        part.inversion = inversion
        part.clean = self
        return part
