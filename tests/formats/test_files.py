"""Is a set that plain libraries wrote read as it was written, in each format of files?"""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ddoq.errors import DataError
from ddoq.formats.fitting import opened_set
from ddoq.formats.reading import name_of, read
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet

DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (4, 3, 6, 6), generator=DRAW, dtype=torch.uint8)
LABELS = [1, 0, 1, 0]
NAMES = ("cat", "dog")
WEIGHTS = [0.5, 1.0, 1.5, 1.0]
SOFT = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5], [0.75, 0.25]])


def png(image: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(stream, "PNG")
    return stream.getvalue()


def same(found: SyntheticSet, order: list[int], *, is_whole: bool = True) -> None:
    assert torch.equal(found.images, IMAGES[order])
    assert found.labels.tolist() == [LABELS[i] for i in order]
    expected = [WEIGHTS[i] for i in order] if is_whole else [1.0] * 4
    assert found.weights.tolist() == expected
    assert (found.targets is None) == (not is_whole)
    assert not is_whole or torch.equal(found.targets, SOFT[order])


def write_folder(root: Path) -> list[str]:
    files = [f"{NAMES[label]}/{i}.png" for i, label in enumerate(LABELS)]
    for file, image in zip(files, IMAGES, strict=True):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(png(image))
    return files


def test_a_plain_folder_of_pictures(tmp_path: Path):
    write_folder(tmp_path)
    found = read(tmp_path, Told())
    same(found, [1, 3, 0, 2], is_whole=False)
    assert found.class_names == NAMES


def test_a_folder_with_weights_and_soft_labels_in_the_order_of_its_table(tmp_path: Path):
    files = write_folder(tmp_path / "train")
    with (tmp_path / "train" / "weights.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "weight"), *zip(files, WEIGHTS, strict=True)])
    # A column for each class of about.json, not for each folder.
    columns = SOFT.flip(1).contiguous()
    save_file({"soft_labels": columns}, tmp_path / "train" / "soft_labels.safetensors")
    about = {"class_ids": ["n2", "n1"], "class_names": ["dog", "cat"], "hints": {"lr": 0.1}}
    (tmp_path / "train" / "about.json").write_text(json.dumps(about))
    found = read(tmp_path, Told())
    same(found, [0, 1, 2, 3])
    assert (found.class_ids, found.class_names, found.hints) == (("n1", "n2"), NAMES, {"lr": 0.1})


def test_a_file_of_soft_labels_has_the_same_columns_if_it_is_named(tmp_path: Path):
    files, beside = write_folder(tmp_path), tmp_path / "soft_labels.safetensors"
    with (tmp_path / "weights.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "weight"), *zip(files, WEIGHTS, strict=True)])
    save_file({"soft_labels": SOFT.flip(1).contiguous()}, beside)
    # The ids alone are enough to say in which order the columns are.
    (tmp_path / "about.json").write_text(json.dumps({"class_ids": ["dog", "cat"]}))
    for told in (Told(), Told(targets=str(beside))):
        same(read(tmp_path, told), [0, 1, 2, 3])


def test_classes_that_are_called_as_other_folders_are_not_mixed_up(tmp_path: Path):
    for number, image in enumerate(IMAGES[:2]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "0.png").write_bytes(png(image))
    about = {"class_ids": ["a/b", "c/d"], "class_names": ["1", "0"]}
    (tmp_path / "about.json").write_text(json.dumps(about))
    found = read(tmp_path, Told())
    assert (found.class_ids, found.labels.tolist()) == (("a/b", "c/d"), [0, 1])
    (tmp_path / "about.json").write_text(json.dumps({"class_ids": ["x", "y", "z"]}))
    with pytest.raises(DataError, match=r"which about\.json does not list"):
        read(tmp_path, Told())


def test_text_labels_are_matched_with_the_classes_that_stand_beside_them(tmp_path: Path):
    rows = {"image": [{"bytes": png(x)} for x in IMAGES[:2]], "label": ["zebra", "ant"]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    about = {"class_ids": ["n9", "n1"], "class_names": ["zebra", "ant"]}
    (tmp_path / "about.json").write_text(json.dumps(about))
    found = read(tmp_path, Told())
    assert [found.class_ids[c] for c in found.labels] == ["n9", "n1"]


def test_a_table_of_weights_that_misses_a_picture_is_refused(tmp_path: Path):
    files = write_folder(tmp_path)
    (tmp_path / "weights.csv").write_text(f"file,weight\n{files[0]},1\n")
    with pytest.raises(DataError, match=r"cat/1\.png is not once in the table"):
        read(tmp_path, Told())


def hub_table() -> pa.Table:
    """Return rows as `datasets` writes them, with its metadata in the schema."""
    rows = {
        "image": [{"bytes": png(image), "path": None} for image in IMAGES],
        "label": LABELS,
        "weight": WEIGHTS,
        "soft_label": SOFT.tolist(),
    }
    feature = {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": feature}})}
    return pa.table(rows).replace_schema_metadata(metadata)


def test_a_parquet_file_and_the_hubs_shards(tmp_path: Path):
    table = hub_table()
    pq.write_table(table, tmp_path / "one.parquet")
    shards = tmp_path / "hub" / "data"
    shards.mkdir(parents=True)
    for part, rows in enumerate((table.slice(0, 3), table.slice(3))):
        pq.write_table(rows, shards / f"train-{part:05d}-of-00002.parquet")
    pq.write_table(table, shards / "test-00000-of-00001.parquet")
    for place in (tmp_path / "one.parquet", tmp_path / "hub"):
        found = read(place, Told())
        same(found, [0, 1, 2, 3])
        assert found.class_names == NAMES


def test_parquet_without_a_column_of_images_is_refused(tmp_path: Path):
    pq.write_table(hub_table().drop(["image"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no column image or img"):
        read(tmp_path / "a.parquet", Told())


def write_tar(file: Path, entries: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def npy(image: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    np.save(stream, image.numpy())
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "written"), [("png", png), ("npy", npy)])
def test_a_webdataset_of_shards(tmp_path: Path, kind: str, written):
    for shard, part in enumerate(([0, 1, 2], [3])):
        entries: dict[str, bytes] = {}
        for i in part:
            said = {"weight": WEIGHTS[i], "soft_label": SOFT[i].tolist()}
            entries[f"{i:04d}.{kind}"] = written(IMAGES[i])
            entries[f"{i:04d}.cls"] = str(LABELS[i]).encode()
            entries[f"{i:04d}.json"] = json.dumps(said).encode()
        write_tar(tmp_path / f"{shard:05d}.tar", entries)
    (tmp_path / "about.json").write_text(json.dumps({"class_ids": NAMES, "class_names": NAMES}))
    found = read(tmp_path, Told())
    same(found, [0, 1, 2, 3])
    assert found.class_ids == NAMES


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_shards_of_other_splits_are_no_part_of_a_set(tmp_path: Path, kind: str):
    def write(name: str, rows: slice) -> None:
        if kind == "parquet":
            pq.write_table(hub_table().slice(rows.start, 2), tmp_path / f"{name}.parquet")
        else:
            label = [str(c).encode() for c in LABELS]
            own = {f"{i}.png": png(IMAGES[i]) for i in range(4)[rows]}
            write_tar(
                tmp_path / f"{name}.tar", own | {f"{i}.cls": label[i] for i in range(4)[rows]}
            )

    write("digits-test-0", slice(2, 4))
    with pytest.raises(DataError, match=r"called digits-test-0.*and none train"):
        read(tmp_path, Told())
    write("digits-train-0", slice(0, 2))
    assert torch.equal(read(tmp_path, Told()).images, IMAGES[:2])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"hints": 5}', "hints is 5"),
        ('{"hints": {"lr": null}}', "the hint lr is None"),
        ('{"class_ids": "ab"}', "class_ids is 'ab'"),
        ('{"class_ids": [1, 2]}', r"class_ids is \[1, 2\]"),
        ('{"class_ids": ["a", "b"], "class_names": ["x"]}', "2 class_ids, but 1 class_names"),
        ('{"provenance": []}', r"provenance is \[\]"),
        ('{"provenance": {"budget": "x"}}', "whole numbers above 0"),
        ('{"provenance": {"x": NaN}}', "NaN is no number"),
        ("[" * 100_000, "no JSON object"),
        ("null", "no JSON object"),
    ],
)
def test_a_malformed_description_beside_a_set_is_refused(tmp_path: Path, said: str, words: str):
    save_file({"images": IMAGES, "labels": torch.tensor(LABELS)}, tmp_path / "a.safetensors")
    (tmp_path / "about.json").write_text(said)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.safetensors", Told())


def test_null_in_a_description_says_nothing(tmp_path: Path):
    save_file({"images": IMAGES, "labels": torch.tensor(LABELS)}, tmp_path / "a.safetensors")
    told = ("class_ids", "class_names", "hints", "provenance")
    (tmp_path / "about.json").write_text(json.dumps(dict.fromkeys(told)))
    assert read(tmp_path / "a.safetensors", Told()).hints == {}


@pytest.mark.parametrize("lines", ["x" * 200_000, "cat/1.png;1", "cat/1.png,1\0", "cat/1.png"])
def test_a_malformed_table_of_weights_is_refused(tmp_path: Path, lines: str):
    write_folder(tmp_path)
    (tmp_path / "weights.csv").write_text(f"file,weight\n{lines}\n")
    with pytest.raises(DataError, match="cannot be read as weights"):
        read(tmp_path, Told())


def test_a_table_of_weights_may_begin_with_a_mark_of_its_encoding(tmp_path: Path):
    files = write_folder(tmp_path)
    rows = "\n".join(f"{file},{weight}" for file, weight in zip(files, WEIGHTS, strict=True))
    (tmp_path / "weights.csv").write_text(f"file,weight\n{rows}", encoding="utf-8-sig")
    assert read(tmp_path, Told()).weights.tolist() == WEIGHTS


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"a.pkl": b"", "a.cls": b"0"}, "a.pkl is of a kind that is not read"),
        ({"a.png": b"no", "a.cls": b"0"}, "no readable picture"),
        ({"a.cls": b"0"}, "has 0 pictures"),
        ({"a.png": png(IMAGES[0]), "a.cls": b"cat"}, "its label is 'cat'"),
        ({"a.png": png(IMAGES[0])}, "its label is None"),
        ({}, "holds no samples"),
    ],
)
def test_a_tar_file_with_something_else_is_refused(tmp_path: Path, entries, words: str):
    write_tar(tmp_path / "a.tar", entries)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.tar", Told())


def test_links_and_half_files_are_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    (tmp_path / "half.tar").write_bytes(b"not a tar file")
    for name, words in (("link.tar", "is no file"), ("half.tar", "cannot be read as a tar")):
        with pytest.raises(DataError, match=words):
            read(tmp_path / name, Told())


def test_our_own_folder_is_read_and_named_by_its_run(tmp_path: Path):
    mine = SyntheticSet(IMAGES, torch.tensor(LABELS), torch.tensor(WEIGHTS), NAMES, NAMES)
    mine.save(tmp_path / "run" / "synthetic")
    assert read(tmp_path / "run", Told()) == mine
    assert name_of(tmp_path / "run" / "synthetic") == "run"
    assert name_of(tmp_path / "run") == "run"


def test_pictures_of_several_sizes_are_refused(tmp_path: Path):
    write_folder(tmp_path)
    (tmp_path / "cat" / "9.png").write_bytes(png(IMAGES[0, :, :5, :5]))
    with pytest.raises(DataError, match="6x6, 5x5"):
        read(tmp_path, Told())


def test_what_is_no_set_is_refused_with_the_formats(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a set")
    with pytest.raises(DataError, match=r"no set in a format[\s\S]*WebDataset"):
        read(tmp_path / "a.txt", Told())
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "b.pt", Told())


def exported(root: Path) -> Path:
    """Write learned images beside `about.json`, as ddoq's own export does."""
    root.mkdir()
    held = {"images": IMAGES / 100, "labels": torch.tensor(LABELS), "weights": torch.ones(4)}
    save_file(held, root / "data.safetensors")
    about = {"class_ids": ["c", "d"], "class_names": NAMES, "provenance": {"exported": {}}}
    (root / "about.json").write_text(json.dumps(about))
    return root


def test_what_ddoq_exported_is_never_normalized_even_if_it_leaves_0_and_1(tmp_path: Path):
    root = exported(tmp_path / "learned")
    found = opened_set(root, Told(unusual=True))
    assert torch.equal(found.images, IMAGES / 100)
    assert (found.class_ids, found.class_names) == (("c", "d"), NAMES)
    (root / "about.json").unlink()
    with pytest.raises(DataError, match="what was done to them"):
        opened_set(root, Told(unusual=True))


def test_folders_may_be_the_numbers_of_the_classes_that_stand_beside_them(tmp_path: Path):
    for i, (label, image) in enumerate(zip(LABELS, IMAGES, strict=True)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        (tmp_path / str(label) / f"{i}.png").write_bytes(png(image))
    (tmp_path / "about.json").write_text(
        json.dumps({"class_ids": ["b/", "a/"], "class_names": NAMES})
    )
    found = read(tmp_path, Told())
    assert (found.class_ids, found.labels.tolist()) == (("b/", "a/"), [0, 0, 1, 1])


def test_folders_count_from_none_whatever_is_said_of_labels(tmp_path: Path):
    write_folder(tmp_path)
    counted = read(tmp_path, Told(first_label=1))
    assert torch.equal(counted.labels, read(tmp_path, Told()).labels)
