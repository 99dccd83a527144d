import json
import os
import shutil
import warnings
from itertools import chain

import pytest
import torch
from PIL import Image

from ddoq.data import survey as survey_module
from ddoq.data.imagefolder import ImageFolder
from ddoq.data.images import Images
from ddoq.errors import DataError


@pytest.fixture(autouse=True)
def _own_memo(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _fill(folder, classes, num=10, start=0):
    """Write gray pictures whose value is 20 times the class plus their number."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(start, start + num):
            Image.new("L", (6, 4), 20 * label + i).save(folder / name / f"{i}.png")


@pytest.fixture
def root(tmp_path):
    _fill(tmp_path / "photos", ["cat", "dog"])
    return tmp_path / "photos"


def _values(split):
    return split.read(torch.arange(len(split)), 2)[:, 0, 0, 0].tolist()


def test_pixels_and_labels_belong_together(root):
    source = ImageFolder(root=str(root))
    for split in (source.train, source.val, source.test):
        assert [value // 20 for value in _values(split)] == split.labels.tolist()


def test_plain_class_folders_are_divided_by_shares(root):
    source = ImageFolder(root=str(root), test_share=0.3, val_share=0.2)
    parts = [_values(split) for split in (source.train, source.val, source.test)]
    assert [len(part) for part in parts] == [12, 2, 6]
    assert sorted(chain(*parts)) == [*range(10), *range(20, 30)]


def test_classes_are_in_natural_order(tmp_path):
    _fill(tmp_path / "x", ["10", "9", "b"])
    assert ImageFolder(root=str(tmp_path / "x")).class_ids == ("9", "10", "b")


def test_a_root_above_the_folder_of_classes_is_refused_with_the_right_one(root):
    (root.parent / "up" / "more").mkdir(parents=True)
    root.rename(root.parent / "up" / "more" / "photos")
    above = root.parent / "up"
    with pytest.raises(
        DataError, match="its only folder is more/photos, which holds cat, dog"
    ) as e:
        ImageFolder(root=str(above))
    assert e.value.remedy.endswith(f"data.root={above / 'more' / 'photos'}")


def test_folders_of_folders_are_warned_of_with_the_first_that_may_be_meant(tmp_path):
    for name in ("one", "other"):
        _fill(tmp_path / "two" / name, ["cat", "dog"])
    with pytest.warns(UserWarning, match=f"too high: data.root={tmp_path / 'two' / 'one'}"):
        ImageFolder(root=str(tmp_path / "two"))


def test_given_parts_are_kept(tmp_path):
    for i, part in enumerate(["train", "validation", "test"]):
        _fill(tmp_path / part, ["cat", "dog"], num=2, start=3 * i)
    source = ImageFolder(root=str(tmp_path))
    assert _values(source.train) == [0, 1, 20, 21]
    assert _values(source.val) == [3, 4, 23, 24]
    assert _values(source.test) == [6, 7, 26, 27]


def test_val_without_test_is_the_test_split(tmp_path):
    _fill(tmp_path / "train", ["cat", "dog"])
    _fill(tmp_path / "val", ["cat", "dog"], num=2, start=15)
    source = ImageFolder(root=str(tmp_path))
    assert _values(source.test) == [15, 16, 35, 36]
    assert sorted(_values(source.train) + _values(source.val)) == [*range(10), *range(20, 30)]
    assert source.val.labels.tolist() == [0, 1]


def test_a_class_may_be_called_train(tmp_path):
    _fill(tmp_path / "x", ["train", "car"])
    assert ImageFolder(root=str(tmp_path / "x")).class_ids == ("car", "train")


def test_hidden_files_and_other_suffixes_are_ignored(root):
    before = ImageFolder(root=str(root)).fingerprint
    (root / "cat" / ".hidden.png").write_bytes(b"")
    (root / "cat" / "notes.txt").write_text("fluffy")
    (root / ".git").mkdir()
    assert ImageFolder(root=str(root)).fingerprint == before


def test_the_fingerprint_moves_with_the_folder(root, tmp_path):
    before = ImageFolder(root=str(root)).fingerprint
    shutil.copytree(root, tmp_path / "elsewhere")
    assert ImageFolder(root=str(tmp_path / "elsewhere")).fingerprint == before


@pytest.mark.parametrize(
    "setting", [{"image_size": 8}, {"fit": "squash"}, {"channels": 1}, {"split_seed": 1}]
)
def test_the_fingerprint_tells_settings_apart(root, setting):
    assert (
        ImageFolder(root=str(root)).fingerprint
        != ImageFolder(root=str(root), **setting).fingerprint
    )


def test_the_fingerprint_changes_with_one_pixel(root):
    before = ImageFolder(root=str(root)).fingerprint
    Image.new("L", (6, 4), 255).save(root / "cat" / "0.png")
    assert ImageFolder(root=str(root)).fingerprint != before


def test_unchanged_files_are_surveyed_once(root, monkeypatch):
    before = ImageFolder(root=str(root)).fingerprint
    monkeypatch.setattr(survey_module, "_looked_through", None)
    assert ImageFolder(root=str(root)).fingerprint == before


def test_a_memo_that_cannot_be_written_is_done_without(root, tmp_path, monkeypatch):
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "occupied"))
    assert len(ImageFolder(root=str(root)).test) == 4


def test_some_classes_can_be_chosen(root):
    _fill(root, ["emu"])
    source = ImageFolder(root=str(root), classes=["emu", "cat"])
    assert source.class_ids == ("cat", "emu")
    assert source.train.labels.unique().tolist() == [0, 1]


def test_folders_get_readable_names(root, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({"cat": "Felis catus", "dog": "Canis"}))
    source = ImageFolder(root=str(root), class_names=str(tmp_path / "names.json"))
    assert source.class_names == ("Felis catus", "Canis")
    assert source.class_ids == ("cat", "dog")


def test_a_missing_readable_name_is_told(root, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({"cat": "Felis catus"}))
    with pytest.raises(DataError, match="no name for class 'dog'"):
        ImageFolder(root=str(root), class_names=str(tmp_path / "names.json"))


def test_a_broken_file_is_named(root):
    (root / "dog" / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"photos: cannot read dog/3\.png: it is empty") as caught:
        ImageFolder(root=str(root))
    assert caught.value.exit_code == 3
    assert "data.on_bad=skip" in caught.value.remedy


def test_a_truncated_file_is_found_before_the_run(root):
    whole = (root / "cat" / "0.png").read_bytes()
    (root / "cat" / "0.png").write_bytes(whole[:45])
    with pytest.raises(DataError, match=r"cat/0\.png"):
        ImageFolder(root=str(root))


def test_of_very_many_files_only_the_headers_are_checked_at_first(root, monkeypatch):
    monkeypatch.setattr(survey_module, "_SMALL", 20)
    for file in (root / "cat").iterdir():
        file.write_bytes(file.read_bytes()[:45])
    source = ImageFolder(root=str(root))
    with pytest.raises(DataError, match=r"photos/cat/\d\.png: "):
        _values(source.train)
    with (
        pytest.warns(UserWarning, match="left out 10"),
        pytest.raises(DataError, match="class 'cat' has no readable pictures"),
    ):
        ImageFolder(root=str(root), on_bad="skip")


def test_a_broken_file_is_left_out_when_told(root):
    (root / "dog" / "3.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match=r"left out 1 unreadable pictures: dog/3\.png"):
        source = ImageFolder(root=str(root), on_bad="skip")
    assert source.skipped == ("dog/3.png",)
    splits = (source.train, source.val, source.test)
    assert sorted(chain(*map(_values, splits))) == [*range(10), 20, 21, 22, *range(24, 30)]


def test_skipping_nothing_changes_nothing(root):
    strict, lenient = (ImageFolder(root=str(root), on_bad=mode) for mode in ("error", "skip"))
    assert strict.fingerprint == lenient.fingerprint


def test_a_test_part_that_is_all_broken_is_not_replaced(tmp_path):
    for part in ("train", "val", "test"):
        _fill(tmp_path / part, ["cat", "dog"], num=1)
    for file in (tmp_path / "test").rglob("*.png"):
        file.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="left out 2"),
        pytest.raises(DataError, match="in the test split, class 'cat' has no readable"),
    ):
        ImageFolder(root=str(tmp_path), on_bad="skip")


def _spoil_nothing(root):
    shutil.rmtree(root)


def _spoil_classes(root):
    shutil.rmtree(root / "cat")
    shutil.rmtree(root / "dog")


def _spoil_one_class(root):
    shutil.rmtree(root / "cat")


def _spoil_empty_class(root):
    (root / "emu").mkdir()


def _spoil_small_class(root):
    _fill(root, ["emu"], num=1)


def _spoil_strange_test(root):
    _fill(root / "train", ["cat", "dog"])
    _fill(root / "test", ["cat", "dog", "emu"])


def _spoil_missing_in_test(root):
    _fill(root / "train", ["cat", "dog"])
    _fill(root / "test", ["cat"])


def _spoil_flat_val(root):
    _fill(root / "train", ["cat", "dog"])
    (root / "val").mkdir()


def _spoil_no_train(root):
    _fill(root / "test", ["cat", "dog"])


SPOILED = {
    "photos: there is no such folder": _spoil_nothing,
    "photos: there are no class folders": _spoil_classes,
    "photos: there is only one class, 'dog'": _spoil_one_class,
    "photos: in train, class 'emu' has no readable pictures": _spoil_empty_class,
    "photos: class 'emu' has 1 pictures, and a test share of 0.2": _spoil_small_class,
    "test/emu: this class is in test but not in train": _spoil_strange_test,
    "in the test split, class 'dog' has no readable pictures": _spoil_missing_in_test,
    "val: there are no class folders": _spoil_flat_val,
    "train: there are no class folders in it, but there is test": _spoil_no_train,
}


@pytest.mark.parametrize(("message", "spoil"), SPOILED.items(), ids=SPOILED)
def test_what_is_wrong_with_a_folder_is_told(root, message, spoil):
    spoil(root)
    with pytest.raises(DataError, match=message):
        ImageFolder(root=str(root))


def test_a_misspelled_class_gets_a_hint(root):
    with pytest.raises(DataError, match=r"no class folder 'cta' \(did you mean 'cat'\?\)"):
        ImageFolder(root=str(root), classes=["cta", "dog"])


def test_a_file_that_breaks_later_is_named(root):
    source = ImageFolder(root=str(root))
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"photos/cat/\d\.png: it is empty"):
        _values(source.train)


def test_a_folder_is_a_source_of_images(root):
    images = Images(ImageFolder(root=str(root), image_size=4))
    assert images.pixels("test").shape == (4, 3, 4, 4)
    assert images.mean == (0.485, 0.456, 0.406)


@pytest.mark.timeout(60)
def test_a_pipe_that_is_called_a_picture_is_not_waited_for(root):
    os.mkfifo(root / "cat" / "a.png")
    with pytest.raises(DataError, match=r"cat/a\.png: it is a pipe"):
        ImageFolder(root=str(root))
    with pytest.warns(UserWarning, match="left out 1"):
        assert ImageFolder(root=str(root), on_bad="skip").skipped == ("cat/a.png",)


@pytest.mark.parametrize("target", ["..", ".", "../dog", "../../photos/dog"])
def test_a_link_that_would_count_pictures_twice_is_refused(root, target):
    (root / "cat" / "more").symlink_to(target)
    with pytest.raises(DataError, match="pictures would count twice"):
        ImageFolder(root=str(root))


def test_a_link_to_pictures_elsewhere_is_followed(root, tmp_path):
    _fill(tmp_path / "elsewhere", ["x"], num=3)
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "x")
    source = ImageFolder(root=str(root))
    assert sum(len(split) for split in (source.train, source.val, source.test)) == 23


def test_a_class_folder_whose_name_is_not_utf_8_is_refused_before_the_survey(root, monkeypatch):
    os.rename(root / "dog", os.fsencode(root) + b"/d\xf6g")
    monkeypatch.setattr(survey_module, "_looked_through", None)
    with pytest.raises(DataError, match=r"the class name .* is not UTF-8"):
        ImageFolder(root=str(root))


def test_a_readable_name_that_is_not_utf_8_is_refused(root, tmp_path):
    (tmp_path / "names.json").write_text('{"cat": "\\ud800", "dog": "Canis"}')
    with pytest.raises(DataError, match="is not UTF-8"):
        ImageFolder(root=str(root), class_names=str(tmp_path / "names.json"))


def test_a_root_one_level_too_high_is_warned_of(tmp_path):
    for part in ("training", "testing"):
        _fill(tmp_path / "x" / part, ["cat", "dog", "emu"])
    with pytest.warns(UserWarning, match=r"testing/cat, .* the 2 classes are testing, training"):
        assert len(ImageFolder(root=str(tmp_path / "x")).class_ids) == 2


def test_folders_within_a_class_that_has_pictures_of_its_own_are_fine(root):
    _fill(root / "cat", ["more", "others"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ImageFolder(root=str(root)).class_ids == ("cat", "dog")
