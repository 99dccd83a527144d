"""Is an export published in one commit? A local server stands in for the Hub."""

import base64
import json
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from ddoq.errors import ResourceError, UsageError
from ddoq.export import hub
from ddoq.export.command import main


class Hub:
    """What the stand-in holds, and what it was sent."""

    def __init__(self) -> None:
        self.files: list[str] | None = None
        self.is_private = True
        self.refuses = False
        self.created: list[dict[str, Any]] = []
        self.commits: list[list[dict[str, Any]]] = []

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if "/commit/" in path and self.refuses:
            return 403, {"error": "forbidden"}
        if "/commit/" in path:
            self.commits.append([json.loads(line) for line in body.splitlines()])
            return 200, {
                "commitUrl": "https://huggingface.co/datasets/me/x/commit/1",
                "commitOid": "1",
            }
        if path.endswith("/repos/create"):
            self.created.append(json.loads(body))
            return 200, {"url": "https://huggingface.co/datasets/me/x", "name": "me/x"}
        if "/preupload/" in path:
            known = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return 200, {"files": [{"path": f["path"], **known} for f in json.loads(body)["files"]]}
        listed = self.files or []
        if "/tree/" in path:
            return 200, [{"type": "file", "path": f, "size": 1, "oid": "1"} for f in listed]
        if method == "GET" and path.startswith("/api/datasets/me/x") and self.files is None:
            return 404, {"error": "absent"}
        siblings = [{"rfilename": f} for f in listed]
        return 200, {"id": "me/x", "private": self.is_private, "siblings": siblings}


@pytest.fixture
def server() -> Generator[tuple[Hub, Any]]:
    """The stand-in and a client of it."""
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            while self.headers.get("transfer-encoding") == "chunked":
                size = int(self.rfile.readline(), 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
            code, value = state.answer(self.command, self.path, body)
            content = json.dumps(value).encode()
            self.send_response(code)
            if code == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _reply

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    place = f"http://127.0.0.1:{served.server_port}"
    yield state, huggingface_hub.HfApi(endpoint=place, token="hf_test")
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def export(color_set, tmp_path: Path) -> Path:
    color_set.save(tmp_path / "set")
    main([str(tmp_path / "set"), "to=parquet", f"out={tmp_path / 'out'}"])
    return tmp_path / "out"


def test_all_files_go_in_one_commit_to_a_private_repository(server, export):
    state, client = server
    assert hub.push(client, export, "me/x", private=True).endswith("/datasets/me/x/commit/1")
    (commit,) = state.commits
    sent = {c["value"]["path"]: c["value"]["content"] for c in commit if c["key"] == "file"}
    files = {f.relative_to(export).as_posix(): f for f in export.rglob("*") if f.is_file()}
    assert {k: base64.b64decode(v) for k, v in sent.items()} == {
        k: f.read_bytes() for k, f in files.items()
    }
    assert state.created[0]["visibility"] == "private"


def test_an_earlier_exports_files_are_removed_by_the_same_commit(server, export):
    state, client = server
    state.files = [".gitattributes", "about.json", "old.tar"]
    hub.push(client, export, "me/x", private=True)
    (commit,) = state.commits
    assert [c["value"]["path"] for c in commit if c["key"] == "deletedFile"] == ["old.tar"]


@pytest.mark.parametrize(
    ("files", "is_private", "said"),
    [
        (["model.bin"], True, "model.bin, which ddoq did not"),
        (["about.json", "thesis.pdf"], True, "thesis.pdf, which ddoq did not"),
        ([], False, "me/x is public"),
    ],
)
def test_other_repositories_are_refused(server, export, files, is_private: bool, said: str):
    state, client = server
    state.files, state.is_private = files, is_private
    with pytest.raises(UsageError, match=said):
        hub.push(client, export, "me/x", private=True)
    assert state.commits == []


def test_a_refusal_of_the_hub_is_one_error(server, export):
    state, client = server
    state.refuses = True
    with pytest.raises(ResourceError, match="me/x was not published"):
        hub.push(client, export, "me/x", private=True)


def test_a_missing_token_or_package_is_one_error_before_any_work(monkeypatch):
    words = ["nowhere", "to=hub", "repo=me/x"]
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(ResourceError, match="needs a token of the Hub"):
        main(words)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ResourceError, match="needs the package huggingface_hub"):
        main(words)


def test_a_dry_run_lists_what_it_would_upload_without_a_token(color_set, tmp_path, capsys):
    color_set.save(tmp_path / "set")
    main([str(tmp_path / "set"), "to=hub", "repo=me/x", "private=false", "dry_run=true"])
    assert "files would go to me/x on the Hub, public" in capsys.readouterr().out


@pytest.mark.parametrize("repo", ["x", "me/x/y", "../x", "me/ x", "https://hf.co/me/x"])
def test_what_is_no_repository_is_refused(repo: str):
    with pytest.raises(UsageError, match="is no repository"):
        main(["nowhere", "to=hub", f"repo={repo}", "dry_run=true"])
