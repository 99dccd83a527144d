"""Is an export, read without ddoq, the set that was exported?"""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ddoq
from ddoq.errors import DataError
from ddoq.export.command import FORMATS, main
from ddoq.export.exported import rounded
from ddoq.export.imagefolder import folders
from ddoq.export.writers import WRITERS
from ddoq.synthetic import SyntheticSet

PLAIN = Path(__file__).with_name("plain.py")
NEEDS = {"parquet": "datasets", "webdataset": "webdataset"}
# What is printed after the lines that open an export, and what that must be.
OPENED = {
    "imagefolder": ("label, image.size", "0 (8, 8)"),
    "parquet": ("int(label), list(image.shape), float(weight)", "2 [3, 8, 8] 0.10000000149011612"),
    "webdataset": ("label, list(image.shape), more['weight']", "2 [3, 8, 8] 0.1"),
    "safetensors": ("labels.tolist()", "[2, 0, 1, 0, 2, 1]"),
    "torch": ("labels.tolist()", "[2, 0, 1, 0, 2, 1]"),
}
EXACT = ("webdataset", "safetensors", "torch")


def export(synthetic: SyntheticSet, place: Path, *formats: str) -> Path:
    synthetic.save(place / "set")
    for name in formats:
        main([str(place / "set"), f"to={name}", f"out={place / 'exports' / name}"])
    return place / "exports"


def test_every_format_can_be_named():
    assert tuple(WRITERS) == FORMATS


def test_every_format_reads_back_equal_without_ddoq(color_set, tmp_path, alone):
    alone(PLAIN, export(color_set, tmp_path, *FORMATS), tmp_path / "read.pt")
    for name, read in torch.load(tmp_path / "read.pt", weights_only=True).items():
        assert read["images"].dtype == torch.uint8, name
        assert torch.equal(read["images"], color_set.images), name
        assert torch.equal(read["labels"], color_set.labels), name
        assert torch.equal(read["weights"], color_set.weights), name
        assert torch.equal(read["soft_labels"], color_set.targets), name


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_back_as_the_set_it_was(color_set, tmp_path, name: str):
    read = ddoq.load(export(color_set, tmp_path, name) / name)
    order = [read.class_ids.index(c) for c in color_set.class_ids]
    assert [read.class_names[c] for c in order] == list(color_set.class_names)
    # Folders are read class by class; all weights differ.
    place = read.weights.argsort()[color_set.weights.argsort().argsort()]
    assert torch.equal(read.images[place], color_set.images)
    assert read.labels[place].tolist() == [order[c] for c in color_set.labels]
    assert torch.equal(read.weights[place].double(), color_set.weights)
    assert read.targets is not None
    assert torch.equal(read.targets[place][:, order], color_set.targets)
    assert read.hints == color_set.hints


def test_learned_images_stay_floats_or_are_rounded(float_set, tmp_path, alone, capsys):
    alone(PLAIN, export(float_set, tmp_path, *FORMATS), tmp_path / "read.pt")
    said = capsys.readouterr().out
    assert said.count("changed: float images became pictures of 8 bits") == 2
    levels = (255 * float_set.images.clamp(0, 1)).round().to(torch.uint8)
    for name, read in torch.load(tmp_path / "read.pt", weights_only=True).items():
        expected = float_set.images if name in EXACT else levels
        assert torch.equal(read["images"], expected), name


def test_rounding_counts_clipped_pixels_and_measures_in_gray_levels(float_set):
    images = torch.full_like(float_set.images, 0.5)  # 127.5 of 255, half a level from either
    images[0, 0, 0, 0], images[0, 0, 0, 1] = -0.2, 1.1
    written, told = rounded(replace(float_set, images=images))
    assert told is not None
    assert (told.clipped, told.pixels) == (2, 6 * 3 * 64)
    assert told.largest == pytest.approx(0.2 * 255, rel=1e-5)
    assert told.mean == pytest.approx((0.5 * 1150 + 0.2 * 255 + 0.1 * 255) / 1152, rel=1e-5)
    assert written.images[0, 0, 0, :3].tolist() == [0, 255, 128]


def test_what_no_format_says_stands_beside_it_without_places(color_set, tmp_path):
    about = json.loads((export(color_set, tmp_path, "torch") / "torch" / "about.json").read_text())
    assert about["class_ids"] == ["10", "2", "1"]
    assert about["class_names"] == ["ten", "two", "one"]
    assert about["hints"] == {"lr": 0.02}
    assert about["mean"] is about["std"] is None
    assert about["provenance"]["licenses"] == {"prior weights": "mit"}
    assert about["provenance"]["exported"]["soft_labels"] == "targets"


@pytest.mark.parametrize("wrong", ["a/b", "..", "con", "x" * 300, "line\nbreak", "=1+1", "é", ""])
def test_class_ids_that_are_no_folders_are_numbered(wrong: str):
    assert folders((wrong, "fine")) == ["0", "1"]
    assert folders(("same", "SAME")) == ["0", "1"]


def test_images_of_two_channels_are_arrays_but_no_pictures(tiny_set, tmp_path):
    two = replace(tiny_set, images=tiny_set.images.repeat(1, 2, 1, 1))
    with pytest.raises(DataError, match="2 channels"):
        export(two, tmp_path, "parquet")
    place = export(two, tmp_path, "webdataset") / "webdataset"
    with tarfile.open(place / "train-00000.tar") as archive:
        read = np.load(io.BytesIO(archive.extractfile("000009.npy").read()))
    assert np.array_equal(read, two.images[9].numpy())


@pytest.mark.parametrize("name", FORMATS)
def test_the_lines_that_open_an_export_run_as_they_stand(color_set, tmp_path, alone, name: str):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    place, (shown, expected) = export(color_set, tmp_path, name) / name, OPENED[name]
    lines = WRITERS[name].loading.replace("FOLDER", str(place))
    (tmp_path / "open.py").write_text(f"{lines}print({shown})")
    assert alone(tmp_path / "open.py") == f"{expected}\n"


def test_the_hubs_library_opens_parquet_with_class_names(color_set, tmp_path, alone):
    pytest.importorskip("datasets", reason="the Hub's library is not installed")
    place = export(color_set, tmp_path, "parquet") / "parquet"
    script = tmp_path / "open.py"
    script.write_text(
        "import sys\nfrom datasets import load_dataset\n"
        f"data = load_dataset({str(place)!r}, split='train', cache_dir={str(tmp_path / 'c')!r})\n"
        "print(data.features['label'].names, data[0]['image'].size, data['label'][:3])\n"
        "print(data['weight'][:3])"
    )
    assert alone(script).splitlines() == [
        "['ten', 'two', 'one'] (8, 8) [2, 0, 1]",
        "[0.1, 0.3333333333333333, 1.0]",
    ]


def test_parquet_has_the_hubs_metadata(color_set, tmp_path):
    import pyarrow.parquet as pq

    twins = replace(color_set, class_names=("crane", "crane", "one"))
    file = export(twins, tmp_path, "parquet") / "parquet" / "data" / "train-00000.parquet"
    features = json.loads(pq.read_schema(file).metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    # The Hub refuses two classes of one name.
    assert features["label"] == {"names": ["10", "2", "1"], "_type": "ClassLabel"}


def test_the_same_set_gives_the_same_bytes(color_set, tmp_path):
    for number in (1, 2):
        color_set.save(tmp_path / "set")
        for name in FORMATS:
            main([str(tmp_path / "set"), f"to={name}", f"out={tmp_path / str(number) / name}"])
    files = [f for f in (tmp_path / "1").rglob("*") if f.is_file()]
    others = [tmp_path / "2" / f.relative_to(tmp_path / "1") for f in files]
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in others]


def test_a_process_without_ddoq_cannot_import_it(alone, tmp_path):
    (tmp_path / "try.py").write_text("try:\n import ddoq\nexcept ImportError:\n print('absent')")
    assert alone(tmp_path / "try.py") == "absent\n"
