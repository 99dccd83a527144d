"""The ranges of numeric settings. One range holds for a name, whichever component has it."""

import math
from dataclasses import dataclass
from typing import Any

from ddoq.errors import UsageError

# The deepest nesting of blocks in a recipe, far more than any component takes.
_DEEPEST = 20
# Numbers that fit in 64 bits, as seeds and counts must.
_LARGEST = 2**63


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included unless an end is open."""

    low: int | float
    high: int | float = math.inf
    is_low_open: bool = False
    is_high_open: bool = False

    def holds(self, number: int | float) -> bool:
        """Say whether a number is in the range; NaN is in none."""
        above = self.low < number if self.is_low_open else self.low <= number
        below = number < self.high if self.is_high_open else number <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.is_low_open else f"at least {self.low:g}"
        if self.high == math.inf:
            return low
        return f"{low} and {'below' if self.is_high_open else 'at most'} {self.high:g}"


_COUNT, _ANY_COUNT, _FEW = Range(1), Range(0), Range(1, 1024)
_ABOVE_ZERO, _SHARE = Range(0, is_low_open=True), Range(0, 1)
_WHOLE_SHARE, _PART = Range(0, 1, is_low_open=True), Range(0, 1, is_high_open=True)

# A name with another meaning in one package is listed with the package's name.
RANGES: dict[str, Range] = {
    **dict.fromkeys(
        (
            *("attention", "batch_size", "block", "blocks", "budget", "chunk", "depth", "epochs"),
            *("expand", "full_seeds", "full_students", "guided_channels"),
            *("head_size", "heads", "image_size"),
            *("images_per_class", "iterations", "label_top_k", "latent_channels", "layers"),
            *("begin_with", "every", "factor", "inner", "members", "most", "networks", "outer"),
            "train_steps",
            *("max_iterations", "multipliers", "number", "passes", "patch_size", "patches"),
            *("points_per_class", "restarts", "seeds", "steps", "studied_classes", "width"),
        ),
        _COUNT,
    ),
    **dict.fromkeys(("threads", "workers"), _FEW),
    **dict.fromkeys(
        (
            *("data.test", "data.train", "data.val", "downsamplings", "entry"),
            *("evaluations", "folds"),
            *("polish", "samples", "validations"),
        ),
        _ANY_COUNT,
    ),
    "data.classes": Range(2),
    **dict.fromkeys(
        (
            *(
                "cross_entropy",
                "guidance",
                "jitter",
                "kl_weight",
                "last_factor",
                "lighting",
                "perceptual",
            ),
            *("strength", "weight", "weight_decay"),
        ),
        Range(0),
    ),
    **dict.fromkeys(
        (
            *("epsilon", "half_life", "lr", "lr_of", "min_snr", "minutes", "mix_alpha"),
            *("sigma_data", "std"),
            "temperature",
        ),
        _ABOVE_ZERO,
    ),
    **dict.fromkeys(
        (
            "decay",
            "decoders.strength",
            "floor",
            "guides.begin",
            "guides.stop",
            "interval",
            "milestones",
        ),
        _SHARE,
    ),
    **dict.fromkeys(("crop", "label_keep"), _WHOLE_SHARE),
    **dict.fromkeys(
        (
            "dropout",
            "ema",
            "evaluate_after",
            "label_dropout",
            "momentum",
            "test_share",
            "tolerance",
            "val_share",
            "warmup",
        ),
        _PART,
    ),
}


def range_of(target: str, name: str) -> Range | None:
    """Return the range of a setting of one of this package's components."""
    package = target.removeprefix("ddoq.").split(".")[0]
    return RANGES.get(f"{package}.{name}", RANGES.get(name))


def refuse_outside(place: str, value: Any, allowed: Range | None) -> None:
    """Refuse a number, or a list or mapping with a number in it, that is out of range."""
    wrong = [n for n in _numbers(value) if allowed is not None and not allowed.holds(n)]
    if wrong:
        raise UsageError(f"{place}={value} is not {allowed}", f"{place} is {allowed}")


def refuse_unusable(place: str, value: Any, depth: int = 0) -> None:
    """Refuse values that no setting can have: NaN, infinite or huge numbers, endless nesting."""
    if depth > _DEEPEST:
        raise UsageError(
            f"{place}: it is nested more than {_DEEPEST} deep", "a recipe is a few blocks deep"
        )
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_unusable(f"{place}.{key}", inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            refuse_unusable(place, inner, depth + 1)
    elif any(not math.isfinite(n) or abs(n) >= _LARGEST for n in _numbers(value)):
        raise UsageError(f"{place}={value}", f"{place} takes finite numbers of at most 64 bits")


def _numbers(value: Any) -> list[int | float]:
    if isinstance(value, dict):
        return _numbers(list(value.values()))
    if isinstance(value, list | tuple):
        return [n for inner in value for n in _numbers(inner)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
