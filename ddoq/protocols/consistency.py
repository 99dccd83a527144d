"""Checks that a protocol's settings fit together, made when it is constructed."""

import dataclasses
from typing import TYPE_CHECKING

from ddoq.errors import UsageError

if TYPE_CHECKING:
    from ddoq.protocols.protocol import Protocol

_DSA = ("color", "crop", "cutout", "flip", "scale", "rotate")
# Settings that change images.
_OF_IMAGES = (
    *("patches", "crop", "flip", "jitter", "lighting", "dsa", "mix", "test_margin", "any_size"),
)
# The losses that read each kind of labels.
_LOSSES = {"hard": ("ce",), "soft": ("soft_ce", "kl", "mse_ce", "gift"), "targets": ("mse",)}


def refuse_settings(protocol: "Protocol") -> None:
    """Refuse settings that contradict each other, or that cannot work."""
    _refuse_length(protocol)
    _refuse_augmentation(protocol)
    _refuse_whitened(protocol)
    _refuse_labels(protocol)
    _refuse_reported(protocol)


def _refuse_labels(protocol: "Protocol") -> None:
    if protocol.loss not in _LOSSES[protocol.labels]:
        raise UsageError(
            f"protocol {protocol.id}: labels={protocol.labels} with loss={protocol.loss}",
            "; ".join(f"labels={k} are read by loss={' or '.join(v)}" for k, v in _LOSSES.items()),
        )
    if protocol.labels != "soft" and protocol.compresses_labels:
        raise UsageError(
            f"protocol {protocol.id}: label_keep, label_dtype and label_top_k with "
            f"labels={protocol.labels}",
            "they apply to a teacher's soft labels only: leave them out",
        )
    keeps_none = protocol.label_top_k is not None and protocol.label_top_k < 1
    if protocol.temperature <= 0 or keeps_none or not 0 < protocol.label_keep <= 1:
        raise UsageError(
            f"protocol {protocol.id}: temperature={protocol.temperature}, "
            f"label_top_k={protocol.label_top_k}, label_keep={protocol.label_keep}",
            "the temperature is above 0, label_top_k at least 1, label_keep a share above 0",
        )


def _refuse_reported(protocol: "Protocol") -> None:
    if (protocol.reported == "ema") != (protocol.ema > 0) or not 0 <= protocol.ema < 1:
        raise UsageError(
            f"protocol {protocol.id}: reported={protocol.reported} with ema={protocol.ema}",
            "reported=ema goes with an ema above 0 and below 1, and only with it",
        )
    if protocol.evaluations < 0 or not 0 <= protocol.evaluate_after < 1:
        raise UsageError(
            f"protocol {protocol.id}: evaluations={protocol.evaluations}, "
            f"evaluate_after={protocol.evaluate_after}",
            "evaluations are at least 0, evaluate_after is a share from 0 to below 1",
        )
    if protocol.reported == "best" and protocol.evaluations < 1:
        raise UsageError(
            f"protocol {protocol.id}: reported=best with evaluations={protocol.evaluations}",
            "the best of several needs evaluations=1 or more",
        )


def _refuse_length(protocol: "Protocol") -> None:
    if (protocol.steps is None) == (protocol.epochs is None):
        raise UsageError(
            f"protocol {protocol.id}: steps={protocol.steps} and epochs={protocol.epochs}",
            "a protocol's length is given by exactly one of the two",
        )
    if protocol.batch_size < 1 or not 0 <= protocol.warmup < 1:
        raise UsageError(
            f"protocol {protocol.id}: batch_size={protocol.batch_size}, warmup={protocol.warmup}",
            "a batch has at least one image; the warmup is a share of the steps below 1",
        )


def _refuse_augmentation(protocol: "Protocol") -> None:
    unknown = [name for name in protocol.dsa.split("_") if protocol.dsa and name not in _DSA]
    if unknown:
        raise UsageError(
            f"protocol {protocol.id}: dsa={protocol.dsa} names {unknown[0]!r}",
            f"join some of {', '.join(_DSA)} by _",
        )
    low, high = protocol.crop or (1.0, 1.0)
    if not 0 < low <= high <= 1 or protocol.patches < 1:
        raise UsageError(
            f"protocol {protocol.id}: crop={protocol.crop}, patches={protocol.patches}",
            "a crop is from a share above 0 to one up to 1; patches are at least 1",
        )


def _refuse_whitened(protocol: "Protocol") -> None:
    """Refuse what would change images before they are whitened, or show a teacher whitened ones."""
    done = [k for k in changed(protocol) if k != "dsa"]
    if protocol.whiten == "zca" and done:
        settings = ", ".join(f"{k}={getattr(protocol, k)}" for k in done)
        raise UsageError(
            f"protocol {protocol.id}: whiten=zca with {settings}",
            "images are whitened when they are loaded, and only DSA changes whitened images",
        )
    if protocol.whiten == "zca" and protocol.labels == "soft":
        raise UsageError(
            f"protocol {protocol.id}: whiten=zca with labels=soft",
            "a teacher does not know whitened images: use labels=hard or labels=targets",
        )


def changed(protocol: "Protocol") -> list[str]:
    """Return the settings of a protocol that change images."""
    usual = {f.name: f.default for f in dataclasses.fields(protocol)}
    return [k for k in _OF_IMAGES if getattr(protocol, k) != usual[k]]


def refuse_modality(protocol: "Protocol", modality: str) -> None:
    """Refuse a protocol that changes images, if the data are not images."""
    done = changed(protocol)
    done += ["uses_hints"] if "tiles" in protocol.uses_hints else []
    if modality != "image" and done:
        settings = ", ".join(f"{k}={getattr(protocol, k)}" for k in done)
        raise UsageError(
            f"protocol {protocol.id}: {settings} would change images, and the data's modality is "
            f"{modality!r}",
            "leave them out, for example 'protocol={name: small_hard, crop: null}'",
        )
