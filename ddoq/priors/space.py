"""Whether a prior denoises pixels or latents, which its folder says."""

from pathlib import Path
from typing import Literal, get_args

from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.given import intact
from ddoq.priors.beside import beside

SampleSpace = Literal["pixels", "latents"]

_FILE = "prior.json"


def save_space(folder: Path, space: SampleSpace) -> None:
    """Write beside a prior's weights whether it denoises pixels or latents."""
    write_json(folder / _FILE, {"space": space})


def space_of(source: str, revision: str | None = None, *, otherwise: SampleSpace) -> SampleSpace:
    """Return what a folder or Hub id says, or what holds if it says nothing."""
    file = beside(source, _FILE, revision)
    if file is None:
        return otherwise
    with intact(file):
        found = read_json(file)["space"]
        if found not in get_args(SampleSpace):
            raise ValueError(f"its space is {found!r}, not {' or '.join(get_args(SampleSpace))}")
        return found


def refuse_shape(samples: tuple[int, ...] | None, latents: tuple[int, ...]) -> None:
    """Refuse a prior whose samples, if it knows their shape, are not of the latents' shape."""
    if samples is not None and tuple(samples) != tuple(latents):
        raise UsageError(
            f"the prior denoises samples of shape {tuple(samples)}, the latents have "
            f"{tuple(latents)}",
            "use the autoencoder and the size (autoencoder.image_size) that the prior was trained "
            "with, or autoencoder=identity with a prior of pixels",
        )
