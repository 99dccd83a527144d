"""Protocols: everything that must be equal for two trainings' numbers to be comparable."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ddoq.errors import UsageError
from ddoq.protocols.consistency import refuse_settings

_NOT_SETTINGS = ("id", "source", "deviations", "rules", "origin")
_AUGMENTATION = (
    *("patches", "crop", "flip", "jitter", "lighting", "dsa", "mix", "mix_alpha", "mix_per"),
    "pixels",
)
# Settings that affect the images of a step and their stored soft labels.
_LABELED = (
    *("steps", "epochs", "batch_size", "weights", "image_size", "patches", "crop", "flip"),
    *("jitter", "lighting", "dsa", "mix", "mix_alpha", "mix_per", "pixels", "temperature"),
    *("label_keep", "label_dtype", "label_top_k"),
)


@dataclass(frozen=True)
class Rule:
    """Settings of a protocol for sets of some sizes. If several rules apply, the last one wins."""

    settings: dict[str, Any]
    images_per_class: tuple[int, int | None] = (0, None)
    """The least and the greatest, both included; null is no limit."""
    classes: tuple[int, int | None] = (0, None)
    image_size: tuple[int, int | None] = (0, None)
    """In pixels."""

    def applies(self, images_per_class: int, num_classes: int, image_size: int) -> bool:
        """Say whether the rule applies to a set of this size."""
        found = (
            (images_per_class, self.images_per_class),
            (num_classes, self.classes),
            (image_size, self.image_size),
        )
        return all(low <= n and (high is None or n <= high) for n, (low, high) in found)


def _ruled(rules: tuple[Rule, ...]) -> set[str]:
    return {k for rule in rules for k in rule.settings}


def _shown(value: Any) -> Any:
    """Return a component's block in the form of an id, and anything else as it is."""
    if not isinstance(value, dict) or "name" not in value:
        return value
    settings = ", ".join(f"{k}={v}" for k, v in value.items() if k != "name")
    return value["name"] + (f"({settings})" if settings else "")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of a training that belong to the measurement, not to the method.

    The length is given by exactly one of `steps` (optimizer updates) and `epochs`. Every result
    carries `id`: the preset's name and each changed field.
    """

    id: str
    source: str
    deviations: str = ""
    labels: Literal["soft", "hard", "targets"]
    """A teacher's labels, the set's classes, or the set's targets. If a set has no targets, they
    are its labels as one-hot vectors minus their mean."""
    loss: Literal["soft_ce", "kl", "mse_ce", "gift", "ce", "mse"]
    temperature: float = 1.0
    steps: int | None = None
    epochs: int | None = None
    batch_size: int
    optimizer: Literal["adamw", "sgd"]
    lr: float
    lr_of: dict[str, float] = field(default_factory=dict[str, float])
    """Learning rates of particular students, by name."""
    weight_decay: float
    decay_vectors: bool = False
    """Whether weight decay applies to biases, norms' parameters and embeddings too."""
    momentum: float = 0.9
    schedule: Literal["cosine", "half_cosine", "linear", "step", "constant"] = "cosine"
    """`half_cosine` is the first half of a cosine schedule, which ends at half of the rate."""
    schedule_per: Literal["step", "epoch"] = "step"
    last_factor: float = 0.0
    """The factor of the rate at the end of `linear`."""
    milestones: list[float] = field(default_factory=lambda: [2 / 3, 5 / 6])
    decay: float = 0.2
    warmup: float = 0.0
    ema: float = 0.0
    """The decay per step of a running mean of the weights; 0 keeps none."""
    second_forward: bool = False
    """Pass the mixed images of a step through the training network twice. Batch statistics are
    updated twice, the gradient is that of one pass."""
    image_size: int | None = None
    any_size: bool = False
    """Accept sets whose images differ in size from the test images, and resize them."""
    test_margin: bool = False
    """Resize test images to 8/7 of their size and crop the center, as 256 to 224."""
    patches: int = 1
    """Cut images into this many columns and rows, and shuffle each: RDED's ShufflePatches."""
    crop: list[float] | None = None
    flip: bool = False
    jitter: float = 0.0
    lighting: float = 0.0
    dsa: str = ""
    """Strategies of differentiable siamese augmentation, `color_crop_cutout_...`."""
    mix: Literal["none", "cutmix", "mixup"] = "none"
    mix_alpha: float = 1.0
    mix_per: Literal["sample", "batch"] = "sample"
    pixels: Literal["batched", "pil"] = "batched"
    """`pil` crops, resizes and flips image by image as Pillow does, in 8 bits."""
    weights: Literal["loss", "sampler"] = "loss"
    label_keep: float = 1.0
    """Prune soft labels: train on this share of the steps, drawn at random and repeated."""
    label_dtype: Literal["float32", "float16", "int8"] = "float32"
    label_top_k: int | None = None
    """Keep the largest logits of each label, and the sum of the others' probabilities."""
    reported: Literal["last", "best", "ema"] = "last"
    """`best` is the best evaluation on the measured images, so it selects on these."""
    evaluations: int = 0
    """How often the network is measured during training, not counting the end."""
    evaluate_after: float = 0.0
    """The share of the training after which these evaluations begin."""
    evaluator: dict[str, Any] = field(default_factory=lambda: {"name": "train"})
    """What turns a set into numbers. Evaluators other than `train` need not train."""
    whiten: Literal["none", "zca"] = "none"
    """`zca` whitens the set and the measured images before anything else. DSA then changes whitened
    images, and students do not normalize."""
    uses_hints: list[Literal["lr", "tiles"]] = field(default_factory=list[Literal["lr", "tiles"]])
    """The hints to use of a set that has them: its learning rate, for all students, and the tiles
    into which its images are cut first."""
    rules: tuple[Rule, ...] = ()
    origin: "Protocol | None" = field(default=None, repr=False, compare=False)
    """The protocol from which `change` made this one."""

    def __post_init__(self) -> None:
        refuse_settings(self)

    @property
    def compresses_labels(self) -> bool:
        """Whether the soft labels differ from the teacher's full output at every step."""
        return self.label_keep < 1 or self.label_dtype != "float32" or self.label_top_k is not None

    @property
    def augments(self) -> bool:
        """Whether a student sees images that differ from those of the set."""
        return bool(self.crop or self.flip or self.jitter or self.lighting or self.dsa) or (
            self.mix != "none" or self.patches > 1
        )

    def is_unaugmented(self, other: "Protocol") -> bool:
        """Say whether this protocol is the other one without its augmentation."""
        own, others = self.key(), other.key()
        rest = (own.keys() | others.keys()) - set(_AUGMENTATION)
        is_else_equal = self.rules == other.rules and all(own.get(k) == others.get(k) for k in rest)
        return other.augments and not self.augments and is_else_equal

    def change(self, **changes: Any) -> "Protocol":
        """Return this protocol with some fields changed, and an id that names them.

        The changes hold for sets of every size.
        """
        origin = self.origin or self
        if "lr" in changes and "lr_of" not in changes:
            # A given rate holds for all students.
            changes["lr_of"] = {}
        rules = tuple(
            dataclasses.replace(r, settings=left)
            for r in self.rules
            if (left := {k: v for k, v in r.settings.items() if k not in changes})
        )
        changed = dataclasses.replace(self, **{"rules": rules, "origin": origin, **changes})
        unruled = _ruled(origin.rules) - _ruled(rules)
        marks = [
            f"+{k}={_shown(getattr(changed, k))}"
            for k in sorted(vars(self))
            if k not in _NOT_SETTINGS
            and (getattr(origin, k) != getattr(changed, k) or k in unruled)
        ]
        return dataclasses.replace(changed, id=origin.id + "".join(marks))

    def on(self, images_per_class: int, num_classes: int, image_size: int = 224) -> "Protocol":
        """Return this protocol for a set of this size, with its rules applied."""
        settings = {
            k: v
            for rule in self.rules
            if rule.applies(images_per_class, num_classes, image_size)
            for k, v in rule.settings.items()
        }
        return dataclasses.replace(self, rules=(), **settings)

    def hinted(self, hints: Mapping[str, Any]) -> "Protocol":
        """Return this protocol for a set with these hints, with those that it uses resolved."""
        if "lr" not in self.uses_hints or "lr" not in hints:
            return self
        lr = hints["lr"]
        if isinstance(lr, list):
            raise UsageError(
                f"protocol {self.id} uses a set's learning rate, but this set has {len(lr)}, one "
                "for each of its stages",
                "remove lr from uses_hints: there is one training, with one rate",
            )
        return dataclasses.replace(self, lr=float(lr), lr_of={})

    def with_hard_labels(self) -> "Protocol":
        """Return this protocol with hard labels."""
        if self.labels == "hard":
            return self
        whole = {"label_keep": 1.0, "label_dtype": "float32", "label_top_k": None}
        return self.change(labels="hard", loss="ce", **whole)

    def num_steps(self, num_images: int) -> int:
        """Return the number of optimizer updates on a set of `num_images`."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * max(1, -(-num_images // self.batch_size))

    def key(self) -> dict[str, Any]:
        """Return the settings that determine a training's outcome, as plain data.

        They include the values that hints resolve to, but not which hints are used.
        """
        left_out = (*_NOT_SETTINGS, "uses_hints")
        # Without whitening, the key is that of versions which could not whiten.
        left_out += ("whiten",) if self.whiten == "none" else ()
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in left_out}

    def label_key(self) -> dict[str, Any]:
        """Return the settings that determine what is labeled at each step, and how it is kept."""
        return {k: v for k, v in self.key().items() if k in _LABELED}
