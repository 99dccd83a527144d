"""The licenses that an export states: of its source images, of weights, and of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddoq.export.run_folder import RunFolder
from ddoq.files.license import OWN, UNKNOWN, license_of, licenses_of
from ddoq.files.places import without_places
from ddoq.synthetic import SyntheticSet

_OTHER = "other"
_WORDNET = re.compile(r"n\d{8}")
_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class SourceImages:
    """The real images of a set, and the license that their publisher states."""

    name: str
    license: str = UNKNOWN
    place: str = ""


_IMAGENET = SourceImages(
    "ImageNet", "other: for non-commercial research and education", "https://image-net.org"
)
_DIGITS = SourceImages(
    "Optical Recognition of Handwritten Digits, the part in scikit-learn",
    "cc-by-4.0",
    "https://archive.ics.uci.edu/dataset/80",
)
_GLYPHS = SourceImages(
    "letters that ddoq draws from matplotlib's typefaces", "other: that of the typefaces"
)
# What publishers state themselves. CIFAR, MNIST, STL-10 and SVHN state none that the Hub knows.
_TORCHVISION = {
    "CIFAR10": SourceImages("CIFAR-10", place="https://www.cs.toronto.edu/~kriz/cifar.html"),
    "CIFAR100": SourceImages("CIFAR-100", place="https://www.cs.toronto.edu/~kriz/cifar.html"),
    "FashionMNIST": SourceImages(
        "Fashion-MNIST", "mit", "https://github.com/zalandoresearch/fashion-mnist"
    ),
    "KMNIST": SourceImages("Kuzushiji-MNIST", "cc-by-sa-4.0", "https://codh.rois.ac.jp/kmnist"),
    "SVHN": SourceImages(
        "SVHN", "other: for non-commercial use", "http://ufldl.stanford.edu/housenumbers"
    ),
}


def source_images(origin: RunFolder, synthetic: SyntheticSet) -> SourceImages:
    """Return the source of a set's real images."""
    data: Mapping[str, Any] = origin.recipe.get("data") or {}
    if all(_WORDNET.fullmatch(c) for c in synthetic.class_ids):
        return _IMAGENET
    named = {"digits": _DIGITS, "glyphs": _GLYPHS}
    if data.get("name") in named:
        return named[data["name"]]
    if data.get("dataset") in _TORCHVISION:
        return _TORCHVISION[data["dataset"]]
    if not data:
        return SourceImages(UNKNOWN)
    place = data.get("root") or data.get("dataset") or data.get("name")
    stated = license_of(str(data["root"])) if data.get("root") else UNKNOWN
    return SourceImages(str(without_places(str(place))), stated)


def weight_licenses(
    origin: RunFolder, synthetic: SyntheticSet, *, has_teacher: bool
) -> dict[str, str]:
    """Return the licenses of weights that the set, and its soft labels, depend on."""
    found: dict[str, str] = dict(synthetic.provenance.get("licenses") or {})
    if has_teacher and origin.recipe.get("teacher"):
        found |= licenses_of({"teacher": origin.recipe["teacher"]})
    return without_places(found)


def license_id(source: str, weights: Mapping[str, str]) -> str:
    """Return the license of an export, as the Hub names it.

    >>> license_id("cc-by-4.0", {"prior mine": "Apache-2.0"})
    'cc-by-4.0'
    >>> license_id("unknown", {}), license_id("mit", {"prior DiT": "cc-by-nc-4.0"})
    ('unknown', 'other')
    """
    known = {source, *weights.values()} - {OWN}
    if UNKNOWN in known:
        return UNKNOWN
    only = known.pop() if len(known) == 1 else _OTHER
    return only if _ID.fullmatch(only) else _OTHER
