"""The small files beside a prior's weights, in a folder or at a commit on the Hub."""

from pathlib import Path

from ddoq.errors import ResourceError
from ddoq.recipe import shipped

# Every repository of the Hub has it, and no program asks for it alone: all was downloaded.
_OF_ALL = ".gitattributes"


def beside(source: str, name: str, revision: str | None = None) -> Path | None:
    """Return a file that lies in a folder, beside a file or on the Hub; None if there is none."""
    place = shipped.locate(source)
    if place.exists() or revision is None or source.count("/") != 1:
        file = (place.parent if place.is_file() else place) / name
        return file if file.is_file() else None
    return _on_hub(source, name, revision)


def _on_hub(source: str, name: str, revision: str) -> Path | None:
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    known = try_to_load_from_cache(source, name, revision=revision)
    if known is not None:
        # If it is no path, the client knows that there is no such file.
        return Path(known) if isinstance(known, str) else None
    if isinstance(try_to_load_from_cache(source, _OF_ALL, revision=revision), str):
        return None
    try:
        return Path(hf_hub_download(source, name, revision=revision))
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            return None
        raise ResourceError(
            f"cannot find out whether {source} has a {name}: the Hub cannot be reached",
            "connect once; or HF_HUB_OFFLINE=1, if all of it was downloaded with `hf download`",
        ) from error
    except EntryNotFoundError:
        return None
