"""Weights of diffusers models, from a local folder or a pinned revision on the Hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ddoq.autoencoders.converted import converted, pickle_alone, pickle_on_hub
from ddoq.errors import IntegrityError, ResourceError, UsageError
from ddoq.files.artifacts import verify
from ddoq.files.given import intact
from ddoq.files.license import fetch_card
from ddoq.recipe import shipped


def load_diffusers(
    model: Any, source: str, *, revision: str | None, subfolder: str | None, dtype: str = "float32"
) -> Any:
    """Load a diffusers model without remote code, from safetensors.

    A pickle is converted to safetensors if there is nothing else, and refused if it holds code.
    """
    folder = shipped.locate(source)
    named: dict[str, Any] = {"revision": revision, "subfolder": subfolder}
    if folder.is_dir():
        verify(folder, needs_manifest=False)
        pickle = pickle_alone(folder / (subfolder or "."))
        if pickle is None:
            return _load(model, source, folder, dtype, **named)
    else:
        _refuse_unpinned(source, revision)
        try:
            loaded = _load(model, source, source, dtype, **named)
            fetch_card(source, revision)
            return loaded
        except ResourceError:
            pickle = pickle_on_hub(source, revision, subfolder)
            if pickle is None:
                raise
            fetch_card(source, revision)
    return _load(model, source, converted(pickle), dtype)


def _load(model: Any, source: str, place: Path | str, dtype: str, **named: Any) -> Any:
    """Load a model from the place where its safetensors are."""
    try:
        with intact(source):
            loaded, keys = model.from_pretrained(
                place,
                **named,
                use_safetensors=True,
                torch_dtype=getattr(torch, dtype),
                # Otherwise diffusers asks for the package accelerate, which is not needed here.
                low_cpu_mem_usage=False,
                output_loading_info=True,
            )
    except OSError as error:
        _refuse_damaged(source, Path(place), error)
        raise ResourceError(
            f"{source} (revision {named.get('revision')}): {str(error).splitlines()[0]}",
            "give a folder of diffusers with all its files"
            if Path(place).is_dir()
            else "check the id and revision; offline, download it once with `hf download`",
        ) from error
    if keys["missing_keys"]:
        # Otherwise these weights would be random numbers.
        raise IntegrityError(
            f"{source}: {len(keys['missing_keys'])} of its weights are missing, such as "
            f"{sorted(keys['missing_keys'])[0]}",
            "copy it again, or make it again",
        )
    return loaded.eval().requires_grad_(False)


def _refuse_unpinned(source: str, revision: str | None) -> None:
    """Refuse what is neither a folder nor a Hub id with its revision."""
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise ResourceError(
            f"there are no weights at {source}",
            "give a save_pretrained folder, a Hub id with its revision, or source=pretrain",
        )
    if revision is None:
        raise UsageError(
            f"{source} is on the Hub, where it may change",
            "pin it: revision=<commit hash>, as shown on the model's page",
        )


def _refuse_damaged(source: str, folder: Path, error: OSError) -> None:
    """Refuse a file that cannot be read. Diffusers reports it like one that is not there."""
    cause = str(error).partition("\n")[0]
    is_damaged = "Unable to load weights" in cause or "not a valid JSON" in cause
    if is_damaged or (folder.is_dir() and "no file named" not in cause):
        raise IntegrityError(
            f"{source}: it is damaged, or not what it should be ({cause})",
            "copy it again, or make it again",
        ) from error


def load_schedule(source: str, revision: str | None) -> dict[str, Any]:
    """Return the noise schedule's configuration of a pipeline's folder or Hub id."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    folder = shipped.locate(source)
    place = folder if folder.is_dir() else source
    try:
        with intact(source):
            loaded: Any = DDIMScheduler.load_config(place, revision=revision, subfolder="scheduler")
            refuse_no_times(loaded)
            return dict(loaded)
    except OSError as error:
        _refuse_damaged(source, folder, error)
        raise ResourceError(
            f"{source} has no scheduler: {str(error).splitlines()[0]}",
            "give a folder in the layout of a diffusers pipeline",
        ) from error


def refuse_no_times(config: Mapping[str, Any]) -> None:
    """Refuse a file that does not say at how many times its network was trained."""
    if "num_train_timesteps" not in config:
        raise ValueError("its scheduler has no num_train_timesteps")
