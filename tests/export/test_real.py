"""Are the test images of a run written as the script of its export reads them?"""

import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from ddoq import recipe
from ddoq.data.conversion import as_floats
from ddoq.data.digits import Digits
from ddoq.data.imagefolder import ImageFolder
from ddoq.data.images import Images
from ddoq.errors import DataError, UsageError
from ddoq.export.command import main
from ddoq.export.real import class_folders
from ddoq.export.writer import png
from ddoq.synthetic import SyntheticSet


def exported(run: Path, out: Path, *more: str) -> None:
    main([str(run), "to=torch", f"out={out / 'set'}", f"test_pictures={out / 'real'}", *more])


def test_the_script_is_as_right_on_them_as_on_the_source(digits_run, tmp_path, monkeypatch, capsys):
    exported(digits_run, tmp_path)
    command = capsys.readouterr().out.splitlines()[-1].removeprefix("train and test: ")
    _, script, folder = shlex.split(command)
    text = re.sub(r"STEPS, BATCH = \d+", "STEPS, BATCH = 20", Path(script).read_text())
    Path(script).write_text(text)
    split = Digits().test
    for i, label in enumerate(split.labels.tolist()):
        (tmp_path / "source" / str(label)).mkdir(parents=True, exist_ok=True)
        picture = png(split.read(torch.tensor([i]), 8)[0])
        (tmp_path / "source" / str(label) / f"{i}.png").write_bytes(picture)
    said: list[str] = []
    for place in (folder, str(tmp_path / "source")):
        monkeypatch.setattr(sys, "argv", [script, place])
        runpy.run_path(script, run_name="__main__")
        said.append(capsys.readouterr().out)
    assert re.search(r"accuracy \d+\.\d\d % \(n=1\)\nexpected: ", said[0])
    assert said[0] == said[1]


def test_they_are_the_test_split_in_order_and_again_the_same(digits_run, tmp_path):
    for _ in range(2):
        exported(digits_run, tmp_path)
    split = Digits().test
    for label in range(10):
        files = sorted((tmp_path / "real" / str(label)).iterdir())
        assert files[0].name == "00000.png"
        read = np.stack([np.array(Image.open(file)) for file in files])
        assert np.array_equal(read, split.read(split.of_class(label), 8)[:, 0].numpy())


def test_a_protocol_that_cuts_a_margin_off_finds_it_there(digits_run, tmp_path):
    wanted = recipe.read(["recipe=digits", "data.image_size=14", "protocols=[rded]"]).recipe
    wanted.save(digits_run / "recipe.yaml")
    exported(digits_run, tmp_path)
    fit = re.search(r"Resize\((\d+)\)", (tmp_path / "set" / "train.py").read_text())
    assert fit
    assert fit[1] == "16"
    whole = torch.stack(
        [
            v2.functional.pil_to_tensor(Image.open(f))
            for f in sorted((tmp_path / "real/3").iterdir())
        ]
    )
    images = Images(Digits(image_size=14))
    tested = torch.cat([x[labels == 3] for x, labels in images.batches("test", margin=True)])
    center = v2.functional.center_crop(whole, [14, 14])
    assert torch.equal(as_floats(center), tested)


@pytest.fixture
def photos_run(digits_run: Path, tmp_path: Path) -> Path:
    """A run on a folder of pictures, whose classes have names."""
    for number, (name, label) in enumerate(3 * [("a", 40), ("b", 80), ("c", 120)]):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (20, 16), (label, number, 0))
        picture.save(tmp_path / "photos" / name / f"{number}.png")
    settings = [f"data.root={tmp_path / 'photos'}", "data.image_size=8", "data.test_share=0.4"]
    wanted = recipe.read(["recipe=imagefolder", *settings]).recipe
    wanted.save(digits_run / "recipe.yaml")
    images = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    made = SyntheticSet(images, torch.arange(3), torch.ones(3), ("x", "y", "z"), ("a", "b", "c"))
    made.save(digits_run / "synthetic")
    return digits_run


def test_folders_have_the_names_that_the_set_gives_its_classes(photos_run, tmp_path):
    exported(photos_run, tmp_path)
    source = ImageFolder(root=str(tmp_path / "photos"), image_size=8, test_share=0.4)
    found = sorted((tmp_path / "real").glob("*/*.png"))
    assert [f.parent.name for f in found] == ["x", "y", "z"]
    assert (
        np.array(Image.open(found[1]))[0, 0].tolist()
        == source.test.read(source.test.of_class(1), 8)[0, :, 0, 0].tolist()
    )


def test_images_that_are_gone_are_told_with_their_folder_and_nothing_is_written(
    photos_run, tmp_path
):
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"/photos: there is no such folder[^\n]*\n.*put them"):
        exported(photos_run, tmp_path)
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "real").exists()


def test_a_run_of_own_code_is_told_to_allow_it(photos_run, tmp_path):
    file = photos_run / "recipe.yaml"
    file.write_text(file.read_text().replace("name: imagefolder\n", "name: mine:Photos\n"))
    with pytest.raises(DataError, match="names code to run: mine:Photos\n") as caught:
        exported(photos_run, tmp_path)
    allow, leave = caught.value.remedy.split(", or ")
    assert allow == "if you trust it, add allow_code=true on the command line"
    assert leave.startswith("leave test_pictures= away")
    assert "allow_code" not in caught.value.cause


def test_a_set_without_its_run_has_no_test_pictures(color_set, tmp_path):
    color_set.save(tmp_path / "run")
    with pytest.raises(DataError, match="a set alone does not say where its test images are"):
        exported(tmp_path / "run", tmp_path)


def test_a_folder_of_something_else_is_kept(digits_run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "mine.txt").touch()
    with pytest.raises(UsageError, match="real holds files that ddoq did not publish"):
        exported(digits_run, tmp_path)
    assert not (tmp_path / "set").exists()


def test_a_dry_run_counts_them_and_writes_none(digits_run, tmp_path, capsys):
    exported(digits_run, tmp_path, "dry_run=true")
    assert f"539 test pictures would go to {tmp_path / 'real'}" in capsys.readouterr().out
    assert not (tmp_path / "real").exists()


@pytest.mark.parametrize(
    ("ids", "names", "folders"),
    [
        (("0", "1"), ("zero", "one"), ("zero", "one")),
        (("0", "1"), ("one", "0"), ("0", "1")),
        (("0", "1"), ("Cat", "cat"), ("0", "1")),
        (("0", "1"), ("in/out", "out"), ("0", "1")),
        (("a/b", "c"), (".x", "y"), None),
    ],
)
def test_classes_have_folders_that_the_script_cannot_mistake(ids, names, folders):
    if folders:
        assert class_folders(ids, names) == folders
    else:
        with pytest.raises(DataError, match="class 'a/b' cannot be the name of a folder"):
            class_folders(ids, names)
