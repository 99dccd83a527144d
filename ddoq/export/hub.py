"""Publishing of an export on the Hugging Face Hub, in one commit."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from ddoq.errors import DdoqError, ResourceError, UsageError
from ddoq.export.writers import WRITERS
from ddoq.files.artifacts import MANIFEST
from ddoq.formats.layout import ABOUT_FILE, WEIGHTS_FILE

_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
# What an export of any format may have left in a repository.
_OWN = (
    *(".gitattributes", "README.md", "train.py", "grid.png", MANIFEST, ABOUT_FILE, WEIGHTS_FILE),
    *("*.safetensors", "*.pt", *(w.data_files for w in WRITERS.values() if w.data_files)),
)


def refuse_repo(repo: str) -> None:
    """Refuse what is no name of a repository."""
    if not _REPO.fullmatch(repo):
        raise UsageError(f"repo={repo!r} is no repository", "give repo=USER/NAME")


def ready() -> Any:
    """Return the Hub's client, or say what is missing."""
    try:
        from huggingface_hub import HfApi, get_token
    except ImportError as error:
        raise ResourceError(
            f"to=hub needs the package huggingface_hub ({error})", "pip install huggingface_hub"
        ) from error
    token = get_token()
    if not token:
        raise ResourceError(
            "to=hub needs a token of the Hub, and there is none",
            "run `hf auth login`, or set HF_TOKEN to a token with write access",
        )
    return HfApi(token=token, library_name="ddoq")


def push(client: Any, folder: Path, repo: str, *, private: bool) -> str:
    """Upload a folder in one commit, and return its address.

    What an earlier export left there is removed by the same commit.
    """
    with _explained(repo):
        if client.repo_exists(repo, repo_type="dataset"):
            _refuse_other(client, repo, private=private)
        client.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = client.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Export a distilled set from ddoq",
            delete_patterns=["*"],
        )
    return str(commit.commit_url)


def _refuse_other(client: Any, repo: str, *, private: bool) -> None:
    """Refuse a repository that is not an export's, or that others can see if they should not."""
    info = client.repo_info(repo, repo_type="dataset")
    if private and not info.private:
        raise UsageError(
            f"{repo} is public, and private=true", "add private=false, or choose another repo="
        )
    files = {f.rfilename for f in info.siblings or ()}
    strange = {f for f in files if not any(PurePath(f).match(pattern) for pattern in _OWN)}
    if strange or (files - {".gitattributes"} and ABOUT_FILE not in files):
        raise UsageError(
            f"{repo} holds {min(strange or files)}, which ddoq did not publish",
            "choose another repo=",
        )


@contextmanager
def _explained(repo: str) -> Generator[None]:
    """Turn the errors of a connection into one line."""
    try:
        yield
    except DdoqError:
        raise
    # The client's errors are of a library that differs by version.
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ResourceError(
            f"{repo} was not published: {said[0]}",
            "check the connection, and that the token may write there; a commit is whole or absent",
        ) from error
