"""Whether a prior denoises pixels or latents, which its folder says."""

from pathlib import Path
from typing import Literal

from ddoq.files.artifacts import read_json, write_json
from ddoq.recipe import shipped

SampleSpace = Literal["pixels", "latents"]

_FILE = "prior.json"


def save_space(folder: Path, space: SampleSpace) -> None:
    """Write beside a prior's weights whether it denoises pixels or latents."""
    write_json(folder / _FILE, {"space": space})


def space_of(source: str, *, otherwise: SampleSpace) -> SampleSpace:
    """Return what a folder says, or what holds if it says nothing."""
    file = shipped.locate(source) / _FILE
    return read_json(file)["space"] if file.is_file() else otherwise
