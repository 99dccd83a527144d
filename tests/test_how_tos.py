"""Do the how-tos work word for word, pasted one block after another into an empty folder?"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
# A fenced block: its language, what else its first line says, and its text.
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(page: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return the fenced blocks of each section of a page that has any."""
    parts = re.split(r"^## ", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {part.split("\n", 1)[0]: _BLOCK.findall(part) for part in parts}
    return {title: blocks for title, blocks in found.items() if blocks}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all sections, as many of them train the same networks beside their own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def at_home(tmp_path: Path, cache: Path, environment: dict[str, str], warm: str) -> dict[str, str]:
    """Make a folder with the photographs that the pages speak of, and return its environment."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "cache").symlink_to(cache)
    for label, name in enumerate(("cats", "dogs")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(20):
            draw = torch.Generator().manual_seed(100 * label + i)
            pixels = torch.randint(0, 128, (40, 50, 3), dtype=torch.uint8, generator=draw)
            Image.fromarray((pixels + 100 * label).numpy()).save(folder / f"{i}.png")
    # `python` is the one that runs the tests.
    own = [str(Path(python).parent) for python in (warm, sys.executable)]
    path = os.pathsep.join([*own, os.environ["PATH"]])
    return {**environment, "PATH": path, "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("page", "title"),
    [(page, title) for page in ("your_own.md", "learned.md") for title in sections(page)],
)
def test_a_how_to_works_word_for_word(
    page: str, title: str, tmp_path: Path, at_home: dict[str, str]
):
    for language, about, text in sections(page)[title]:
        if file := about.strip().removeprefix("file="):
            (tmp_path / file).write_text(text, encoding="utf-8")
            continue
        shell = {"bash": ["bash", "-e", "-c", text], "python": ["python", "-c", text]}
        done = subprocess.run(
            shell[language], cwd=tmp_path, env=at_home, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.glob("*/report.html"))


def test_the_notebook_runs(tmp_path: Path, at_home: dict[str, str], monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, at_home.get(name, ""))
    notebook = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=200, resources=resources).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "random" in shown
    assert "<img" in shown
