"""Weights that are published as pickles alone: converted once to safetensors, and kept."""

from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console as Terminal
from torch import Tensor

from ddoq.display.console import Console
from ddoq.errors import IntegrityError
from ddoq.files.artifacts import commit, damage, fingerprint, is_finished, sha256
from ddoq.files.memo import user_cache
from ddoq.files.pickles import read_pickle
from ddoq.files.tensors import write_tensors

PICKLE = "diffusion_pytorch_model.bin"
WHOLE = "diffusion_pytorch_model.safetensors"
_CONFIG = "config.json"


def pickle_alone(folder: Path) -> Path | None:
    """Return the pickle of a model's folder if it has no safetensors that diffusers reads.

    Files of a variant (`.fp16.safetensors`) are not read.
    """
    file = folder / PICKLE
    return file if file.is_file() and not has_safetensors(folder) else None


def has_safetensors(folder: Path) -> bool:
    """Say whether a model's folder has weights as safetensors, in one file or several."""
    return any((folder / name).is_file() for name in (WHOLE, f"{WHOLE}.index.json"))


def pickle_on_hub(source: str, revision: str | None, subfolder: str | None) -> Path | None:
    """Return the pickle of a model on the Hub, with its configuration beside it; None if absent."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    place = f"{subfolder}/" if subfolder else ""
    try:
        hf_hub_download(source, f"{place}{_CONFIG}", revision=revision)
        return Path(hf_hub_download(source, f"{place}{PICKLE}", revision=revision))
    except (OSError, ValueError, EntryNotFoundError, HfHubHTTPError):
        return None  # Whoever asks has an error of its own to report.


def converted(file: Path) -> Path:
    """Return a folder with the weights of a pickle as safetensors, and the same configuration.

    It lies in the user's cache under the hash of both, and is made when it is first needed.
    """
    config = file.with_name(_CONFIG)
    known = [sha256(one) for one in (file, config) if one.is_file()]
    final = user_cache() / "converted" / fingerprint(known)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Ranks ask together: one of them converts.
    with FileLock(final.with_name(f".{final.name}.lock")):
        if not is_finished(final) or damage(final):
            _convert(file, config, final)
            _say(f"{file}: weights without code, converted once to safetensors in {final}")
    return final


def _convert(file: Path, config: Path, final: Path) -> None:
    weights = _separate(file, read_pickle(file))
    work = final.with_name(f".{final.name}")
    work.mkdir(exist_ok=True)
    write_tensors(work / "diffusion_pytorch_model.safetensors", weights)
    if config.is_file():
        (work / _CONFIG).write_bytes(config.read_bytes())
    commit(work, final, {"kind": "converted weights", "from": str(file)})


def _separate(file: Path, content: Any) -> dict[str, Tensor]:
    """Return tensors by name that share no memory, which safetensors cannot hold."""
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise IntegrityError(f"{file} holds no weights by name", "give weights in safetensors")
    seen: set[int] = set()
    separate: dict[str, Tensor] = {}
    for name, tensor in content.items():
        place = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return separate


def _say(text: str) -> None:
    Console(terminal=Terminal(stderr=True)).say(text)
