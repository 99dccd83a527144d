import io
import json
import os
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from ddoq.data.images import Images
from ddoq.data.parquet import Parquet
from ddoq.errors import DataError


@pytest.fixture(autouse=True)
def _own_memo(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def _encoded(value):
    stream = io.BytesIO()
    Image.new("L", (6, 4), value).save(stream, "PNG")
    return stream.getvalue()


def _write(file, values, labels, *, names=("image", "label"), metadata=None, pictures=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = [_encoded(v) for v in values] if pictures is None else pictures
    table = pa.table(dict(zip(names, (pictures, labels), strict=True)))
    pq.write_table(table.replace_schema_metadata(metadata), file)


def _values(split):
    return split.read(torch.arange(len(split)), 2)[:, 0, 0, 0].tolist()


@pytest.fixture
def file(tmp_path):
    """Twenty rows whose label is the value modulo two."""
    _write(tmp_path / "set.parquet", range(20), [i % 2 for i in range(20)])
    return tmp_path / "set.parquet"


def test_one_file_is_divided_by_shares(file):
    source = Parquet(root=str(file), test_share=0.3, val_share=0.3)
    splits = (source.train, source.val, source.test)
    assert [len(split) for split in splits] == [10, 4, 6]
    assert sorted(chain(*map(_values, splits))) == list(range(20))
    for split in splits:
        assert [value % 2 for value in _values(split)] == split.labels.tolist()


def test_shards_are_joined_in_the_order_of_their_names(tmp_path):
    _write(tmp_path / "train-10.parquet", [4, 5], [0, 1])
    _write(tmp_path / "train-9.parquet", [2, 3], [0, 1])
    _write(tmp_path / "data" / "validation-0.parquet", [6, 7], [0, 1])
    _write(tmp_path / "my-test.parquet", [8, 9], [0, 1])
    source = Parquet(root=str(tmp_path))
    assert [_values(s) for s in (source.train, source.val, source.test)] == [
        [2, 3, 4, 5],
        [6, 7],
        [8, 9],
    ]
    assert source.train.names(3) == "train-10.parquet: row 1 of column 'image'"


def test_val_without_test_is_the_test_split(tmp_path):
    _write(tmp_path / "train.parquet", range(10), [0, 1] * 5)
    _write(tmp_path / "val.parquet", [50, 51], [0, 1])
    assert _values(Parquet(root=str(tmp_path)).test) == [50, 51]


def test_the_hubs_structs_and_names_are_understood(tmp_path):
    features = {"fine_label": {"names": ["apple", "pear"], "_type": "ClassLabel"}}
    _write(
        tmp_path / "hub.parquet",
        (),
        [0, 1] * 5,
        names=("img", "fine_label"),
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
        pictures=[{"bytes": _encoded(i), "path": None} for i in range(10)],
    )
    source = Parquet(root=str(tmp_path / "hub.parquet"))
    assert source.class_names == source.class_ids == ("apple", "pear")
    assert [value % 2 for value in _values(source.train)] == source.train.labels.tolist()


def test_names_are_read_from_the_metadata(tmp_path):
    _write(tmp_path / "x.parquet", range(8), [1, 0] * 4, metadata={"classes": "cat,dog"})
    source = Parquet(root=str(tmp_path / "x.parquet"))
    assert source.class_names == ("cat", "dog")
    assert [1 - value % 2 for value in _values(source.train)] == source.train.labels.tolist()


def test_equal_names_are_told_apart_by_their_number(tmp_path):
    _write(tmp_path / "x.parquet", range(8), [1, 0] * 4, metadata={"classes": "crane,crane"})
    assert Parquet(root=str(tmp_path / "x.parquet")).class_ids == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "names"), [(["b10", "b9"], ("b9", "b10")), ([30, 4], ("4", "30"))]
)
def test_labels_without_names_are_sorted_naturally(tmp_path, labels, names):
    _write(tmp_path / "x.parquet", range(10), labels * 5)
    source = Parquet(root=str(tmp_path / "x.parquet"))
    assert source.class_names == names
    assert [1 - value % 2 for value in _values(source.test)] == source.test.labels.tolist()


def test_dictionary_labels_are_strings(tmp_path):
    labels = pa.array(["dog", "cat"] * 5).dictionary_encode()
    _write(tmp_path / "x.parquet", range(10), labels)
    assert Parquet(root=str(tmp_path / "x.parquet")).class_ids == ("cat", "dog")


def test_a_broken_row_is_named(tmp_path):
    pictures = [_encoded(i) for i in range(9)] + [b"broken"]
    _write(tmp_path / "x.parquet", (), [0, 1] * 5, pictures=pictures)
    with pytest.raises(DataError, match=r"x\.parquet: row 9 of column 'image': it is no readable"):
        Parquet(root=str(tmp_path / "x.parquet"))


def test_a_broken_row_is_left_out_when_told(tmp_path):
    pictures = [_encoded(i) for i in range(9)] + [None]
    _write(tmp_path / "x.parquet", (), [0, 1] * 5, pictures=pictures)
    with pytest.warns(UserWarning, match="left out 1 unreadable pictures: .*row 9"):
        source = Parquet(root=str(tmp_path / "x.parquet"), on_bad="skip")
    assert len(source.skipped) == 1
    assert 9 not in chain(*map(_values, (source.train, source.val, source.test)))


def test_a_column_that_is_not_there_gets_a_hint(file):
    with pytest.raises(DataError, match=r"no column imgae \(did you mean 'image'\?\)"):
        Parquet(root=str(file), image="imgae")


def test_columns_that_cannot_be_guessed_are_listed(tmp_path):
    _write(tmp_path / "x.parquet", [1], [0], names=("photo", "label"))
    with pytest.raises(DataError, match=r"(?s)image or img.*data\.image to one of photo, label"):
        Parquet(root=str(tmp_path / "x.parquet"))


WRONG = {
    "holds double, not labels": {"labels": [0.5, 1.0]},
    "holds int64, not the bytes": {"pictures": [1, 2]},
    "row 1 .*its label None is none of": {"labels": ["a", None]},
    "its label 2 is none of the 2 classes": {"labels": [0, 2], "metadata": {"classes": "a,b"}},
    "only one class, 'a'": {"labels": ["a", "a"]},
    "class 'b' has 1 pictures": {"labels": [*["a"] * 9, "b"]},
}


@pytest.mark.parametrize(("message", "content"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_told(tmp_path, message, content):
    content = {"labels": [0, 1], **content}
    _write(tmp_path / "x.parquet", range(len(content["labels"])), **content)
    with pytest.raises(DataError, match=message):
        Parquet(root=str(tmp_path / "x.parquet"))


def test_a_label_that_train_does_not_have_is_told(tmp_path):
    _write(tmp_path / "train.parquet", range(4), ["a", "b"] * 2)
    _write(tmp_path / "test.parquet", range(2), ["a", "c"])
    with pytest.raises(DataError, match=r"test\.parquet: row 1 .*its label 'c'"):
        Parquet(root=str(tmp_path))


def test_shards_must_agree_on_the_names(tmp_path):
    _write(tmp_path / "train.parquet", range(4), [0, 1] * 2, metadata={"classes": "a,b"})
    _write(tmp_path / "test.parquet", range(2), [0, 1], metadata={"classes": "b,a"})
    with pytest.raises(DataError, match="its metadata has other class names"):
        Parquet(root=str(tmp_path))


def test_a_file_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"train\.parquet: it cannot be read as Parquet"):
        Parquet(root=str(tmp_path))


def test_a_folder_without_train_is_told(tmp_path):
    with pytest.raises(DataError, match="no Parquet file whose name contains 'train'"):
        Parquet(root=str(tmp_path))


def test_the_fingerprint_is_of_content_and_settings(file, tmp_path):
    before = Parquet(root=str(file)).fingerprint
    os.utime(file)
    assert Parquet(root=str(file)).fingerprint == before
    assert Parquet(root=str(file), channels=1).fingerprint != before
    _write(file, range(20), [1 - i % 2 for i in range(20)])
    assert Parquet(root=str(file)).fingerprint != before


@pytest.mark.data
def test_cifar_is_read():
    folder = Path(os.environ.get("DDOQ_TEST_DATA", "")).resolve()
    if not os.environ.get("DDOQ_TEST_DATA") or not (folder / "cifar10-test.parquet").exists():
        pytest.skip("DDOQ_TEST_DATA names no folder with cifar10-train.parquet and -test.parquet")
    images = Images(Parquet(root=str(folder)))
    assert images.test.labels.bincount().tolist() == [1000] * 10
    assert (images.class_names[0], len(images.train), len(images.val)) == ("airplane", 45_000, 5000)
    # Airplanes fly in the blue.
    red, _, blue = images.test.read(images.test.of_class(0)[:100], 32).float().mean((0, 2, 3))
    assert blue > red


def test_a_part_is_a_word_of_its_own(tmp_path):
    for i, name in enumerate(["train-latest", "cifar_testing", "Validation2"]):
        _write(tmp_path / f"{name}.parquet", [2 * i, 2 * i + 1], [0, 1])
    source = Parquet(root=str(tmp_path))
    assert [_values(s) for s in (source.train, source.test, source.val)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.timeout(60)
def test_a_pipe_is_not_waited_for(file, tmp_path):
    os.mkfifo(tmp_path / "train-1.parquet")
    with pytest.raises(DataError, match=r"train-1\.parquet: it is a pipe"):
        Parquet(root=str(tmp_path))


@pytest.mark.parametrize(
    "metadata", [{"classes": b"\xff,\xfe"}, {"huggingface": "{"}, {"huggingface": "[1]"}]
)
def test_metadata_that_cannot_be_read_is_a_data_error(tmp_path, metadata):
    _write(tmp_path / "set.parquet", range(20), [i % 2 for i in range(20)], metadata=metadata)
    with pytest.raises(DataError, match="its metadata cannot be read as class names"):
        Parquet(root=str(tmp_path / "set.parquet"))
