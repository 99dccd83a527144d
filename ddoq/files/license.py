"""The licenses of weights, as those who published them state them."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddoq.recipe import shipped

UNKNOWN = "unknown"
OWN = "Apache-2.0"
"""The license of weights that ddoq trained and that depend on nobody else's."""

# Licenses of models on the Hub, where the model's card is not on this machine.
_KNOWN = {
    **dict.fromkeys(("facebook/DiT-XL-2-256", "facebook/DiT-XL-2-512"), "cc-by-nc-4.0"),
    **dict.fromkeys(
        (
            "CompVis/stable-diffusion-v1-4",
            "runwayml/stable-diffusion-v1-5",
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
        ),
        "creativeml-openrail-m",
    ),
    "stabilityai/stable-diffusion-xl-base-1.0": "openrail++",
    **dict.fromkeys(("stabilityai/sd-vae-ft-ema", "stabilityai/sd-vae-ft-mse"), "mit"),
}
_FRONT = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_STATED = re.compile(r"^license: *(.+?) *$", re.MULTILINE)
_NAMED = re.compile(r"^license_name: *(.+?) *$", re.MULTILINE)
# A line of the cards that ddoq writes itself.
TRAINED_FROM = "- trained from: "


def license_of(source: str, revision: str | None = None) -> str:
    """Return the license of a folder, a file or a model on the Hub: a few words, or `unknown`."""
    place = shipped.locate(source)
    if place.exists():
        return _stated_in(place if place.is_dir() else place.parent) or UNKNOWN
    card = _card_on_hub(source, revision)
    return (card and _of_front(card)) or _KNOWN.get(source, UNKNOWN)


def licenses_of(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the license of each component's published weights, by the part and its source."""
    given = {k: b for k, b in parts.items() if b.get("source") not in (None, "pretrain")}
    return {
        f"{part} {block['source']}": license_of(block["source"], block.get("revision"))
        for part, block in given.items()
    }


def told(licenses: Mapping[str, str]) -> str:
    """Return a line of the licenses that are known and not ddoq's own; empty if there are none."""
    known = [f"{k}: {v}" for k, v in licenses.items() if v not in (UNKNOWN, OWN)]
    return "; ".join(known)


def fetch_card(source: str, revision: str | None) -> None:
    """Keep the card of a model on the Hub beside its weights, where its license is read."""
    from huggingface_hub import hf_hub_download

    # A model without a card, or a bad connection. No run needs the card.
    with contextlib.suppress(Exception):
        hf_hub_download(source, "README.md", revision=revision)


def _card_on_hub(source: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(source, "README.md", revision=revision)
    except ValueError:
        return None  # It is no id of the Hub.
    return Path(found) if isinstance(found, str) else None


def _stated_in(folder: Path) -> str | None:
    if (folder / "CARD.md").is_file():
        lines = (folder / "CARD.md").read_text(encoding="utf-8").splitlines()
        others = [x.removeprefix(TRAINED_FROM) for x in lines if x.startswith(TRAINED_FROM)]
        return f"trained from {others[0]}" if others else OWN
    if stated := _of_front(folder / "README.md"):
        return stated
    for file in sorted(folder.glob("LICENSE*")):
        lines = _text(file).splitlines()
        return next((line.strip(" #") for line in lines if line.strip(" #")), None)
    return None


def _of_front(card: Path) -> str | None:
    """Return what the head of a model's card states."""
    front = _FRONT.match(_text(card))
    stated = _STATED.search(front[1]) if front else None
    if front is None or stated is None:
        return None
    named = _NAMED.search(front[1])
    return (named if named and stated[1] == "other" else stated)[1].strip("\"'")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
