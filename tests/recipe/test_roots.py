"""Is a folder that does not exist told at once, with the one that was meant?"""

import subprocess
import sys
from pathlib import Path

import pytest

from ddoq import fit
from ddoq.errors import DataError, UsageError
from ddoq.recipe import read
from ddoq.recipe.roots import absent, refuse_absent_root


@pytest.mark.parametrize(
    ("root", "remedy"),
    [
        ("photoz", "did you mean data.root=photos?"),
        ("fotos/cats", "did you mean data.root=photos/cats?"),
        ("photos/kats", "did you mean data.root=photos/cats?"),
        ("music", "set data.root to a folder of class folders"),
        ("music/cats", "music does not exist; set data.root to a folder of class folders"),
    ],
)
def test_the_nearest_folder_that_exists_is_named(
    root: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert absent(Path(root)).remedy == remedy


def test_a_root_that_does_not_exist_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from ddoq import fit\n"
        "try: fit.main(['recipe=imagefolder_quick', 'data.root=photoz'])\n"
        "except Exception as e: print(type(e).__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "DataError False\n"


def test_a_folder_in_place_of_a_source_is_told_how_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"mean data\.root=photos with recipe=imagefolder"):
        read(["recipe=digits", "data=photos"])


def test_sources_that_fill_their_folder_may_have_none_yet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        fit.main(["recipe=digits", f"data={{name: parquet, root: {tmp_path / 'none'}}}"])
    root = f"data={{name: torchvision, dataset: MNIST, root: {tmp_path / 'none'}}}"
    refuse_absent_root(read(["recipe=digits", root]).recipe)
