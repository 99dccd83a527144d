"""The card of an export: `README.md`, with the head that the Hub reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from yaml import safe_dump

from ddoq.export.exported import Exported
from ddoq.export.licenses import license_id, source_images, weight_licenses
from ddoq.export.run_folder import RunFolder
from ddoq.export.templates import cell, rendered
from ddoq.export.writer import Writer
from ddoq.files.places import without_places

_SIZES = {"n<1K": 10**3, "1K<n<10K": 10**4, "10K<n<100K": 10**5, "100K<n<1M": 10**6}
_LARGEST = "1M<n<10M"


def card(exported: Exported, origin: RunFolder, writer: Writer, missing: Sequence[str]) -> str:
    """Return the card. `missing` is what could not be had of the run."""
    synthetic = exported.synthetic
    source = source_images(origin, synthetic)
    weights = weight_licenses(origin, synthetic, has_teacher=exported.soft_of == "teacher")
    license = license_id(source.license, weights)
    shape = "x".join(map(str, synthetic.images.shape[1:]))
    title = f"{cell(origin.name)}, distilled"
    mean, std = exported.normalization
    kind = "8 bits" if synthetic.images.element_size() == 1 else "floats, 0 is black and 1 white"
    values = {
        "front": _front(exported, writer, f"{origin.name}, distilled", license),
        "title": title,
        "summary": f"{len(synthetic)} weighted images {shape} of {synthetic.num_classes} classes, "
        "which stand for a whole data set when a network is trained on them. Made by ddoq.",
        "loading": writer.loading,
        "has_mean": exported.mean is not None,
        "mean": mean,
        "std": std,
        "images": f"{shape}, {kind}"
        + (f". {exported.rounding.text.capitalize()}" if exported.rounding else ""),
        "soft_of": exported.soft_of,
        "scores": _scores(exported, origin),
        "source": source,
        "weights": weights,
        "license": license,
        "made": _made(exported),
        "has_recipe": bool(origin.recipe),
        "root": " data.root=YOUR_FOLDER" if (origin.recipe.get("data") or {}).get("root") else "",
        "missing": ", ".join(missing),
        "privacy": _privacy(exported, origin),
    }
    return rendered("card.md.j2", values, is_file=True)


def _front(exported: Exported, writer: Writer, title: str, license: str) -> str:
    number = len(exported.synthetic)
    sizes = [name for name, least in _SIZES.items() if number < least]
    front: dict[str, Any] = {
        "license": license,
        "task_categories": ["image-classification"],
        "size_categories": [sizes[0] if sizes else _LARGEST],
        "pretty_name": title,
        "tags": ["dataset-distillation", *([] if _are_real(exported) else ["synthetic"]), "ddoq"],
    }
    if writer.data_files:
        files = [{"split": "train", "path": writer.data_files}]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    return safe_dump(front, sort_keys=False, allow_unicode=True)


def _scores(exported: Exported, origin: RunFolder) -> list[list[str]]:
    def text(score: Any) -> str:
        if score is None:
            return "-"
        return score.text if score.n == 1 else f"{score.text} (n={score.n})"

    return [
        [cell(part.protocol), cell(part.labels), cell(student)]
        + [text(own.get(name)) for name in ("set", "random", "full")]
        for part, student, own in origin.scores(exported.synthetic)
    ]


# Distillers whose images are real ones.
_CHOOSE = ("random", "herding", "k_center", "provable", "nearest", "full")


def _made(exported: Exported) -> str:
    """Describe the method, from the set's provenance."""
    told = without_places(exported.synthetic.provenance)
    keys = ("distiller", "images_per_class", "budget", "weighting", "seed")
    parts = {k: told.get(k) for k in keys} | {"decoder": _decoder(told)}
    listed = [f"- {k.replace('_', ' ')}: {cell(str(v))}" for k, v in parts.items() if v is not None]
    return "\n".join(listed or ["It is not known how: the set does not say."]) + "\n"


def _are_real(exported: Exported) -> bool:
    """Say whether a set's images are training images that were chosen."""
    made = exported.synthetic.provenance
    return _decoder(made) == "nearest" or str(made.get("distiller")) in _CHOOSE


def _decoder(made: Mapping[str, Any]) -> Any:
    """Return the decoder's name of a set's provenance, which may hold its whole block."""
    decoder = made.get("decoder")
    return decoder.get("name") if isinstance(decoder, dict) else decoder


def _privacy(exported: Exported, origin: RunFolder) -> str:
    if _are_real(exported):
        return (
            "Its images ARE training images, chosen and not made: whatever is in them is passed "
            "on with them, people included."
        )
    near = origin.nearness(exported.synthetic)
    if not near:
        return (
            "It was not measured how near its images come to single training images. They may "
            "show what is in them, people included."
        )
    lines: list[str] = []
    for space, one in near.items():
        ratio, share = one.get("ratio"), one.get("share") or 0.0
        median = "unknown" if ratio is None else f"{ratio:.2f}"
        lines.append(
            f"In {space}, the median distance of its images to the nearest training image is "
            f"{median} of that of real test images, and {100 * share:.0f} % of its images are "
            "as near to a training image as the nearest 1 % of the test images."
        )
    if any(one.get("ratio") == 0 for one in near.values()):
        lines.append("A distance of 0 means that these are training images themselves.")
    lines.append("Images that are near may show what is in training images, people included.")
    return " ".join(lines)
