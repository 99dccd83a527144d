"""The commits that revision names mean. On the Hub, branches, tags and pull requests move.

The cache keeps the commit that such a name meant when it was first needed. Later runs use the same
commit, with or without a network, and the recipe that a run saves holds it.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.recipe import shipped
from ddoq.recipe.component import Block, is_code
from ddoq.recipe.kinds import PRETRAINERS
from ddoq.recipe.schema import Recipe

# (repository, name of a revision) -> commit.
Resolve = Callable[[str, str], str]

_FILE = "revisions.json"
_SECONDS = 10.0


def is_moving(block: Block) -> bool:
    """Say whether a block's weights are on the Hub under a name whose commit may change."""
    source, revision = block.get("source"), block.get("revision")
    if not isinstance(source, str) or not isinstance(revision, str) or is_code(block["name"]):
        return False
    is_on_hub = source != "pretrain" and source.count("/") == 1
    return is_on_hub and not shipped.locate(source).exists() and not _is_commit(revision)


def _is_commit(text: Any) -> bool:
    return isinstance(text, str) and bool(re.fullmatch("[0-9a-f]{40}", text))


def known_commit(cache: Path, source: str, revision: str) -> str | None:
    """Return the commit kept for a revision's name, if it was ever needed."""
    return _known(cache / _FILE).get(f"{source}@{revision}")


def _known(file: Path) -> dict[str, str]:
    try:
        found: Any = read_json(file)
        return {name: commit for name, commit in found.items() if _is_commit(commit)}
    except (OSError, ValueError, AttributeError):
        return {}


def commit_of(cache: Path, source: str, revision: str, resolve: Resolve | None = None) -> str:
    """Return the commit that a revision's name means. For this cache it never changes."""
    cache.mkdir(parents=True, exist_ok=True)
    # All ranks ask at once: every rank uses the answer of rank 0.
    with FileLock(cache / f".{_FILE}.lock"):
        known = _known(cache / _FILE)
        name = f"{source}@{revision}"
        if name not in known:
            known[name] = (resolve or ask_hub)(source, revision)
            write_json(cache / _FILE, known)
    return known[name]


def ask_hub(source: str, revision: str) -> str:
    """Ask the Hub or, if it cannot be reached, its client's own cache."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        found: Any = hub.model_info(source, revision=revision, timeout=_SECONDS).sha
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UsageError(
            f"the Hub has no {source} at revision {revision}",
            "correct the two, or log in if the repository is not public",
        ) from error
    except Exception as error:  # Offline, or any error of the client on a bad connection.
        found = _downloaded(source, revision)
        if found is None:
            cause = str(error).partition("\n")[0] or type(error).__name__
            raise ResourceError(
                f"cannot find out which commit {revision} of {source} is ({cause})",
                "connect once, or give the commit: revision=<40 hex digits>, as the model's page "
                "on the Hub shows it",
            ) from error
    return str(found)


def _downloaded(source: str, revision: str) -> str | None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{source.replace('/', '--')}"
    try:
        commit = (folder / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return commit if _is_commit(commit) else None


def pinned(recipe: Recipe, asked: set[str]) -> Iterator[tuple[str, str, str]]:
    """Replace revision names that may move by commits, and yield each part, its name and commit.

    Args:
        recipe: The recipe whose blocks are changed.
        asked: Parts to look up. In other parts only names with known commits are replaced.
    """
    cache = Path(recipe.cache)
    for part in PRETRAINERS:
        block = getattr(recipe, part)
        if not is_moving(block):
            continue
        named = block["source"], block["revision"]
        commit = known_commit(cache, *named)
        if commit is None and part in asked:
            commit = commit_of(cache, *named)
        if commit is not None:
            block["revision"] = commit
            yield part, "@".join(named), commit
