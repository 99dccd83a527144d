"""A name on the Hub that moves is looked up once; then it means the same commit for good."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import sha256, write_json
from ddoq.plan import pin, plan
from ddoq.recipe.shipped import ROOT
from ddoq.run import Run
from ddoq.run.revisions import ask_hub, commit_of, is_moving

FIRST, SECOND = "a" * 40, "b" * 40
WEIGHTS = ROOT / "checkpoints" / "digits" / "autoencoder"
HUB = [
    *("recipe=digits", "decoder.guidance=2", "evaluation.decoders=[]", "evaluation.baselines=[]"),
    "prior={name: dit, source: me/dit, revision: refs/pr/1}",
]


class FakeHub:
    """A server that knows one repository, what its names mean now, and its files."""

    def __init__(self, files: Path) -> None:
        self.commit, self.asked = FIRST, list[str]()
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                status, headers, body = hub.answer(self.path)
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None: ...

        self._files = files
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        api = "/api/models/me/dit/revision/"
        if path.split("?")[0] in (api + "main", api + "refs%2Fpr%2F1"):
            return 200, {}, json.dumps({"id": "me/dit", "sha": self.commit}).encode()
        file = self._files / path.split("?")[0].partition(f"/resolve/{self.commit}/")[2]
        if path.startswith("/me/dit/resolve/") and file.is_file():
            told = {"X-Repo-Commit": self.commit, "ETag": f'"{sha256(file)}"'}
            return 200, told, file.read_bytes()
        kind = "RevisionNotFound" if path.startswith(api) else "EntryNotFound"
        return 404, {"X-Error-Code": kind, "X-Error-Message": "not found"}, b"{}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    served = FakeHub(WEIGHTS)
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    yield served
    served.server.shutdown()
    served.server.server_close()


def made(tmp_path: Path, *overrides: str) -> Run:
    return Run(recipe.read([*HUB, f"cache={tmp_path / 'cache'}", *overrides]).recipe)


def test_a_name_is_looked_up_once_and_kept_though_it_moves(hub: FakeHub, tmp_path: Path):
    first = made(tmp_path)
    pin(first)
    key, hub.commit = first.key("prior"), SECOND
    again = made(tmp_path)
    assert first.recipe.prior["revision"] == again.recipe.prior["revision"] == FIRST
    assert again.key("prior") == key
    assert len(hub.asked) == 1


def test_another_cache_looks_it_up_anew(hub: FakeHub, tmp_path: Path):
    assert commit_of(tmp_path / "one", "me/dit", "main") == FIRST
    hub.commit = SECOND
    assert commit_of(tmp_path / "two", "me/dit", "main") == SECOND


def test_the_saved_recipe_holds_the_commit_and_asks_nobody(hub: FakeHub, tmp_path: Path):
    run = made(tmp_path, f"out={tmp_path / 'out'}")
    pin(run)
    saved = run.open_folder("x") / "recipe.yaml"
    hub.commit = SECOND
    again = Run(recipe.read([f"recipe={saved}", f"cache={tmp_path / 'other'}"]).recipe)
    pin(again)
    assert again.recipe.prior["revision"] == FIRST
    assert len(hub.asked) == 1


def test_a_part_that_nothing_reads_is_not_looked_up(hub: FakeHub, tmp_path: Path):
    run = made(tmp_path, "decoder=plain")
    pin(run)
    assert (hub.asked, run.recipe.prior["revision"]) == ([], "refs/pr/1")


def test_a_plan_asks_nobody(hub: FakeHub, tmp_path: Path):
    run = made(tmp_path)
    assert [s.state for s in plan(run) if s.what == "prior"] == ["download"]
    assert hub.asked == []


def test_a_revision_that_is_not_there_is_refused(hub: FakeHub):
    with pytest.raises(UsageError, match="no me/dit at revision nowhere"):
        ask_hub("me/dit", "nowhere")


def test_without_a_network_it_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ResourceError, match="which commit main of me/dit is") as caught:
        ask_hub("me/dit", "main")
    assert "40 hex digits" in caught.value.remedy
    (tmp_path / "models--me--dit" / "refs").mkdir(parents=True)
    (tmp_path / "models--me--dit" / "refs" / "main").write_text(FIRST)
    assert ask_hub("me/dit", "main") == FIRST


def test_a_damaged_memory_of_names_is_made_anew(tmp_path: Path):
    (tmp_path / "revisions.json").write_text("{")
    assert commit_of(tmp_path, "me/dit", "main", lambda *_: FIRST) == FIRST
    write_json(tmp_path / "revisions.json", {"me/dit@main": "no commit"})
    assert commit_of(tmp_path, "me/dit", "main", lambda *_: SECOND) == SECOND


@pytest.mark.parametrize("name", [n for n in recipe.names() if n.startswith("imagenet")])
def test_the_shipped_recipes_of_the_hub_hold_a_commit_once_they_are_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr("ddoq.run.revisions.ask_hub", lambda *_: FIRST)
    wanted = recipe.read([f"recipe={name}", f"cache={tmp_path}"], must_be_complete=False).recipe
    run = Run(wanted)
    run.pin(["autoencoder", "prior"])
    for block in (wanted.autoencoder, wanted.prior):
        assert not is_moving(block)
        assert len(block["revision"]) == 40


@pytest.mark.slow
def test_a_whole_run_keeps_to_the_first_commit_of_a_branch(
    hub: FakeHub, tmp_path: Path, environment: dict[str, str]
):
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", "ddoq.fit", *HUB, "evaluation.seeds=1", "distiller.folds=0"]
    command += ["decoder=plain", "autoencoder={name: kl, source: me/dit, revision: main}"]
    command += [
        "student=[{name: convnet, depth: 1, width: 4}]",
        "protocol=[{name: small, steps: 2}]",
    ]
    for out, commit in (("one", FIRST), ("two", SECOND)):
        hub.commit = commit
        done = subprocess.run(
            [*command, f"out={out}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"revision: {FIRST}" in (tmp_path / out / "recipe.yaml").read_text()
    stages = json.loads((tmp_path / "two" / "summary.json").read_text())["stages"]
    assert all(s["cached"] for s in stages)
