"""Are the classes and the space of a prior on the Hub those of its folder?"""

from pathlib import Path

import pytest
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from ddoq.data.imagenet import imagenet_ids
from ddoq.errors import ResourceError
from ddoq.files.artifacts import write_json
from ddoq.priors.classes import Classes
from ddoq.priors.space import space_of

COMMIT = "c" * 40


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the Hub's own cache that holds a commit of `me/prior`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--me--prior" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    """Return a function that says what asking the Hub for any file ends in."""

    def answer(error: Exception) -> None:
        def ask(*arguments: object, **more: object) -> str:
            raise error

        monkeypatch.setattr("huggingface_hub.hf_hub_download", ask)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    return answer


def test_they_are_read_at_the_commit(snapshot: Path):
    write_json(snapshot / "classes.json", ["cat", "dog"])
    write_json(snapshot / "prior.json", {"space": "pixels"})
    assert Classes.of("me/prior", COMMIT).ids == ("cat", "dog")
    assert space_of("me/prior", COMMIT, otherwise="latents") == "pixels"


def test_a_repository_without_them_has_imagenets(snapshot: Path, answer):
    answer(EntryNotFoundError("404"))
    assert Classes.of("me/prior", COMMIT).ids == imagenet_ids()
    assert space_of("me/prior", COMMIT, otherwise="latents") == "latents"


def test_a_hub_that_is_silent_is_not_taken_for_a_no(snapshot: Path, answer):
    answer(LocalEntryNotFoundError("no connection"))
    with pytest.raises(ResourceError, match=r"me/prior has a classes\.json"):
        Classes.of("me/prior", COMMIT)


def test_a_whole_download_without_them_needs_no_answer(snapshot: Path, answer):
    answer(LocalEntryNotFoundError("no connection"))
    (snapshot / ".gitattributes").touch()
    assert Classes.of("me/prior", COMMIT).ids == imagenet_ids()
