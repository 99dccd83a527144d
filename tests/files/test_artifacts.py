import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import faiss
import PIL
import pytest
import torch

from ddoq.errors import IntegrityError
from ddoq.files import artifacts
from ddoq.files.artifacts import (
    commit,
    damage,
    fingerprint,
    read_json,
    replacing,
    verify,
    versions,
    write_json,
)
from ddoq.files.cache import Cache, StageRecord
from ddoq.files.tensors import join_tensors, read_tensors, write_tensors


def published(folder: Path) -> Path:
    """A folder with tensors, a file in a folder of its own, and a manifest of its own."""
    work, final = folder / "work", folder / "final"
    (work / "deep").mkdir(parents=True)
    write_tensors(work / "points.safetensors", {"points": torch.arange(4.0)})
    (work / "deep" / "note.txt").write_text("a note")
    write_json(work / "manifest.json", {"shape": [4], "classes": [{"start": 0}]})
    commit(work, final, {"stage": "test"})
    return final


def test_a_fingerprint_is_of_content_not_of_order():
    assert fingerprint({"a": 1, "b": {"c": [2]}}) == fingerprint({"b": {"c": [2]}, "a": 1})


@pytest.mark.parametrize(
    "other",
    [{"a": 2}, {"a": "1"}, {"a": 1.5}, {"a": [1]}, {"a": True}, {"a": None}, {"b": 1}, {}],
)
def test_a_fingerprint_tells_values_and_types_apart(other: dict[str, object]):
    assert fingerprint(other) != fingerprint({"a": 1})


def test_a_fingerprint_of_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": float("nan")})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(TypeError), replacing(file) as temporary, temporary.open("w") as stream:
        stream.writelines(["half a n", None])  # type: ignore[list-item] # stops it midway
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {"file": "old"}


def test_tensors_are_read_as_they_were_written(tmp_path: Path):
    tensors = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.ones(2).half()}
    write_tensors(tmp_path / "t.safetensors", tensors)
    read = read_tensors(tmp_path / "t.safetensors")
    assert all(torch.equal(read[k], v) and read[k].dtype == v.dtype for k, v in tensors.items())


_WRITING = """
import resource, sys
from pathlib import Path
import torch
from ddoq import command
from ddoq.files.tensors import join_tensors, write_tensors
def body(arguments):
    write_tensors(Path("part"), {"a": torch.ones(100)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    if arguments == ["join"]:
        join_tensors(Path("whole"), [Path("part")] * 100, ["a"])
    if arguments == ["torch"]:
        torch.save(torch.ones(10_000), "whole")
    write_tensors(Path("whole"), {"a": torch.ones(10_000)})
command.run(body)
"""


@pytest.mark.parametrize("how", ["write", "join", "torch"])
def test_a_file_that_finds_no_room_is_exit_code_4(
    tmp_path: Path, environment: dict[str, str], how: str
):
    command = [sys.executable, "-c", _WRITING, how]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    told = "error: File too large: whole, of 40,000 bytes\n  remedy: make room for it"
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("error: a file could not" if how == "torch" else told)
    assert how == "torch" or sorted(os.listdir(tmp_path)) == ["part"]


def test_tensors_may_be_read_by_whoever_may_read_other_files(tmp_path: Path):
    (tmp_path / "note.txt").write_text("a note")
    write_tensors(tmp_path / "t.safetensors", {"a": torch.ones(2)})
    modes = {f.stat().st_mode for f in tmp_path.iterdir()}
    assert len(modes) == 1


def test_joined_tensors_are_those_of_cat(tmp_path: Path):
    parts = [tmp_path / f"{i}.safetensors" for i in range(3)]
    tensors = [
        {"a": torch.rand(n, 3, 2), "b": torch.arange(n), "c": torch.rand(n).half()}
        for n in (4, 0, 1)
    ]
    for part, content in zip(parts, tensors, strict=True):
        write_tensors(part, content)
    join_tensors(tmp_path / "whole.safetensors", parts, ("b", "c", "a"))
    whole = read_tensors(tmp_path / "whole.safetensors")
    for name, tensor in whole.items():
        assert torch.equal(tensor, torch.cat([t[name] for t in tensors]))
        assert tensor.dtype == tensors[0][name].dtype


def test_joining_leaves_other_tensors_out(tmp_path: Path):
    write_tensors(tmp_path / "part", {"a": torch.ones(2), "b": torch.ones(2)})
    join_tensors(tmp_path / "whole", [tmp_path / "part"], ("b",))
    assert list(read_tensors(tmp_path / "whole")) == ["b"]


def test_what_a_workspace_says_of_itself_is_kept_beside_the_checksums(tmp_path: Path):
    manifest = read_json(published(tmp_path) / "manifest.json")
    assert (manifest["shape"], manifest["stage"], manifest["schema"]) == ([4], "test", 1)
    assert sorted(manifest["files"]) == ["deep/note.txt", "points.safetensors"]


def test_a_published_folder_is_intact(tmp_path: Path):
    final = published(tmp_path)
    verify(final)
    assert not (tmp_path / "work").exists()


def test_publishing_replaces_what_was_there(tmp_path: Path):
    final = published(tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "only").write_text("x")
    commit(tmp_path / "new", final)
    assert sorted(f.name for f in final.iterdir()) == ["manifest.json", "only"]
    assert [f.name for f in tmp_path.iterdir()] == ["final"]


def test_a_failed_commit_leaves_nothing_under_the_final_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("x")
    with pytest.raises(OSError, match="No space"):
        commit(work, tmp_path / "final")
    assert not (tmp_path / "final").exists()
    assert (work / "file").read_text() == "x"


@pytest.mark.parametrize("name", ["points.safetensors", "deep/note.txt", "manifest.json"])
def test_any_flipped_byte_is_noticed(tmp_path: Path, name: str):
    file = published(tmp_path) / name
    whole = file.read_bytes()
    # Without its key the checksum is absent, as in what earlier versions wrote.
    key = whole.find(b"checksum")
    silent = []
    for place in set(range(len(whole))) - set(range(key, key + len("checksum"))):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if damage(tmp_path / "final") is None:
            silent.append(whole[max(0, place - 9) : place + 9])
    assert silent == []


@pytest.mark.parametrize("name", ["points.safetensors", "deep/note.txt", "manifest.json"])
@pytest.mark.parametrize("what", ["missing", "empty", "short", "long"])
def test_a_file_of_another_size_is_noticed(tmp_path: Path, name: str, what: str):
    file = published(tmp_path) / name
    whole = file.read_bytes()
    file.unlink()
    if what != "missing":
        file.write_bytes({"empty": b"", "short": whole[:-3], "long": whole + b"x"}[what])
    with pytest.raises(IntegrityError, match="final"):
        verify(tmp_path / "final")


def test_another_schema_is_named(tmp_path: Path):
    (tmp_path / "manifest.json").write_text('{"schema": 7, "files": {}}')
    assert damage(tmp_path) == "it has schema 7, this program reads 1"


class Builder:
    """Writes the number of times it was called."""

    calls = 0

    def __call__(self, work: Path) -> None:
        self.calls += 1
        (work / "calls").write_text(str(self.calls))


def test_a_finished_stage_is_not_built_again(tmp_path: Path):
    records = []
    cache, build = Cache(tmp_path, on_finish=records.append), Builder()
    first, second = (cache.stage("s", {"a": 1}, build) for _ in range(2))
    assert (first, build.calls) == (second, 1)
    assert [r.cached for r in records] == [False, True]


def test_another_key_or_stage_has_another_place(tmp_path: Path):
    cache = Cache(tmp_path)
    places = {cache.place(s, k) for s in ("s", "t") for k in ({"a": 1}, {"a": 2}, {})}
    assert len(places) == 6


def test_another_version_of_torch_has_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here = Cache(tmp_path).place("s", {})
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99")
    # A process asks for each version once.
    monkeypatch.setattr(artifacts, "_version", artifacts._version.__wrapped__)
    assert Cache(tmp_path).place("s", {}) != here


def test_a_damaged_stage_is_built_again_with_a_warning(tmp_path: Path):
    cache, build = Cache(tmp_path), Builder()
    place = cache.stage("s", {}, build)
    (place / "calls").write_text("9")
    with pytest.warns(UserWarning, match="calls has another checksum; it is built again"):
        cache.stage("s", {}, build)
    assert (place / "calls").read_text() == "2"
    assert damage(place) is None


@pytest.mark.parametrize("how", ["written", "replaced", "deleted"])
def test_damage_since_the_last_use_is_noticed_too(tmp_path: Path, how: str):
    cache, build = Cache(tmp_path), Builder()
    file = cache.stage("s", {}, build) / "calls"
    cache.stage("s", {}, build)
    before = file.stat()
    if how == "replaced":
        (tmp_path / "other").write_text("9")
        (tmp_path / "other").replace(file)
    elif how == "written":
        file.write_text("9")
    else:
        file.unlink()
    if how != "deleted":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.warns(UserWarning, match="it is built again"):
        cache.stage("s", {}, build)
    assert build.calls == 2


def test_an_entry_under_anothers_name_is_built_again(tmp_path: Path):
    cache, build = Cache(tmp_path), Builder()
    other, place = cache.stage("s", {"a": 2}, build), cache.place("s", {"a": 1})
    shutil.copytree(other, place)
    with pytest.warns(UserWarning, match="it is the result of another key"):
        cache.stage("s", {"a": 1}, build)
    assert (place / "calls").read_text() == "2"


@pytest.mark.parametrize("key", [{}, {"a": (1, 2.5), "b": {10: None, 9: "x"}}, {"a": 1e-300}])
def test_any_key_is_known_again(tmp_path: Path, key: dict[str, object]):
    place = Cache(tmp_path).stage("s/t", key, Builder())
    assert damage(place, is_entry=True) is None


def test_a_library_has_the_version_of_the_package_that_brings_it():
    found = versions("faiss", "Pillow", "no-such-library")
    assert found == {
        "faiss": faiss.__version__,
        "Pillow": PIL.__version__,
        "no-such-library": "absent",
    }


def test_an_interrupted_build_publishes_nothing_and_is_gone_on_with(tmp_path: Path):
    cache = Cache(tmp_path)

    def first(work: Path) -> None:
        (work / "half").write_text("done")
        raise KeyboardInterrupt

    def second(work: Path) -> None:
        assert (work / "half").read_text() == "done"
        (work / "rest").write_text("done")

    with pytest.raises(KeyboardInterrupt):
        cache.stage("s", {}, first)
    assert not cache.has("s", {})
    assert not cache.place("s", {}).exists()
    place = cache.stage("s", {}, second)
    assert sorted(f.name for f in place.iterdir()) == ["half", "manifest.json", "rest"]


def test_what_a_killed_write_left_is_not_published(tmp_path: Path):
    def build(work: Path) -> None:
        write_json(work / "result.json", 1)
        # As if an earlier call had been killed inside `replacing`.
        (work / ".result.json.123.tmp").write_text("half")

    place = Cache(tmp_path).stage("s", {}, build)
    assert sorted(f.name for f in place.iterdir()) == ["manifest.json", "result.json"]


_BUILD = """
import sys, time
from pathlib import Path
from ddoq.files.cache import Cache

def build(work):
    time.sleep(0.3)
    with open(sys.argv[2], "a") as builds:
        builds.write("x")
    (work / "file").write_text("x")

Cache(Path(sys.argv[1])).stage("s", {}, build)
"""


def test_processes_that_want_the_same_stage_build_it_once(
    tmp_path: Path, environment: dict[str, str]
):
    log = tmp_path / "builds"
    command = [sys.executable, "-c", _BUILD, str(tmp_path / "cache"), str(log)]
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [p.wait(timeout=60) for p in both] == [0, 0]
    assert log.read_text() == "x"


def test_the_time_of_interrupted_calls_counts_and_is_known_of_a_cached_stage(tmp_path: Path):
    records: list[StageRecord] = []
    cache = Cache(tmp_path, on_finish=records.append)

    def slow(work: Path) -> None:
        time.sleep(0.05)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.stage("s", {}, slow)
    place = cache.stage("s", {}, Builder())
    cache.stage("s", {}, Builder())
    made, found = records
    assert made.seconds < 0.05 <= made.made_seconds == found.made_seconds
    assert (made.num_bytes, found.num_bytes) == (1, 1)
    assert sorted(f.name for f in place.iterdir()) == ["calls", "manifest.json"]
