from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddoq.errors import DataError, IntegrityError, UsageError
from ddoq.synthetic import SyntheticSet


@pytest.fixture
def full_set(tiny_set: SyntheticSet) -> SyntheticSet:
    return replace(
        tiny_set,
        targets=torch.rand(10, 2),
        latents=torch.rand(10, 4),
        columns={"rank": list(range(10))},
        hints={"lr": 0.1},
        provenance={"distiller": "test"},
    )


def test_a_set_is_loaded_as_it_was_saved(full_set: SyntheticSet, tmp_path: Path):
    full_set.save(tmp_path / "set")
    loaded = SyntheticSet.load(tmp_path / "set")
    for name in ("images", "labels", "weights", "targets", "latents"):
        assert torch.equal(getattr(loaded, name), getattr(full_set, name))
    for name in ("class_names", "class_ids", "columns", "hints", "provenance", "fingerprint"):
        assert getattr(loaded, name) == getattr(full_set, name)


def test_what_a_set_lacks_stays_absent(tiny_set: SyntheticSet, tmp_path: Path):
    tiny_set.save(tmp_path / "set")
    loaded = SyntheticSet.load(tmp_path / "set")
    assert (loaded.targets, loaded.latents, loaded.columns) == (None, None, {})


def test_a_folder_holds_json_and_safetensors_only(full_set: SyntheticSet, tmp_path: Path):
    full_set.save(tmp_path / "set")
    assert [f.name for f in tmp_path.iterdir()] == ["set"]
    names = sorted(f.name for f in (tmp_path / "set").iterdir())
    assert names == ["manifest.json", "set.json", "set.safetensors"]


def test_saving_again_replaces_the_set(tiny_set: SyntheticSet, tmp_path: Path):
    tiny_set.save(tmp_path / "set")
    replace(tiny_set, weights=torch.ones(10)).save(tmp_path / "set")
    assert SyntheticSet.load(tmp_path / "set").weights.tolist() == [1.0] * 10


def test_saving_spares_a_folder_of_the_users(tiny_set: SyntheticSet, tmp_path: Path):
    (tmp_path / "photo.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="holds files that ddoq did not publish"):
        tiny_set.save(tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("name", ["set.safetensors", "set.json"])
def test_a_damaged_set_is_refused_with_exit_code_5(
    tiny_set: SyntheticSet, tmp_path: Path, name: str
):
    tiny_set.save(tmp_path / "set")
    file = tmp_path / "set" / name
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(IntegrityError, match=name) as caught:
        SyntheticSet.load(tmp_path / "set")
    assert caught.value.exit_code == 5


def test_a_folder_without_a_set_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no synthetic set"):
        SyntheticSet.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"images": torch.ones(9, 1, 8, 8)}, "9 images, but labels has 10, weights has 10"),
        ({"columns": {"rank": [1]}}, "rank has 1"),
        ({"targets": torch.ones(3, 2)}, "targets has 3"),
        ({"latents": torch.ones(3, 2)}, "latents has 3"),
        ({"labels": torch.full((10,), 2)}, "labels range from 2 to 2"),
        ({"labels": torch.full((10,), -1)}, "labels range from -1"),
        ({"weights": torch.full((10,), -0.1)}, "negative"),
        ({"weights": torch.full((10,), torch.nan)}, "not finite"),
        ({"weights": torch.full((10,), torch.inf)}, "not finite"),
        ({"weights": torch.zeros(10)}, "all weights are zero"),
        ({"weights": torch.ones(10, dtype=torch.int64)}, "weights are torch.int64"),
        ({"images": torch.randn(10, 1, 8, 8)}, "range from -.* do not state their space"),
        ({"images": torch.rand(10, 1, 8, 8) * 255}, "do not state their space"),
        ({"images": torch.rand(10, 1, 16, 8)}, "images are 10x1x16x8"),
        ({"images": torch.rand(10, 8, 8)}, "images are 10x8x8"),
        ({"images": torch.full((10, 1, 8, 8), torch.nan)}, "not finite"),
        ({"images": torch.full((10, 1, 8, 8), torch.inf), "space": "image"}, "not finite"),
        ({"images": torch.rand(10, 1, 8, 8).double()}, "torch.float64"),
        ({"images": torch.ones(10, 1, 8, 8, dtype=torch.int64)}, "torch.int64"),
        ({"space": "normalized"}, "space='normalized'"),
        ({"labels": torch.arange(10) % 2 + 0.0}, "labels are torch.float32"),
        ({"labels": torch.ones(10, 2, dtype=torch.int64)}, "2 dimensions"),
        ({"labels": torch.zeros(10, dtype=torch.int64)}, "no images of 1 classes: o"),
        ({"class_ids": ("e", "e")}, "class ids e occur twice"),
        ({"class_names": ("even",)}, "2 class ids, but 1 class names"),
        ({"targets": torch.full((10, 2), torch.nan)}, "targets"),
        ({"targets": torch.ones(10)}, "1 dimensions"),
        ({"hints": {"rate": 0.1}}, "no hint 'rate'"),
        ({"hints": {"lr": 0.0}}, "hint lr is 0.0"),
        ({"hints": {"lr": [0.1, torch.inf]}}, "hint lr is .0.1, inf."),
        ({"hints": {"lr": []}}, "hint lr is"),
        ({"hints": {"tiles": 2.0}}, "hint tiles is 2.0"),
        ({"hints": {"stages": True}}, "hint stages is True"),
        ({"hints": {"ridge": [0.1]}}, "hint ridge is .0.1."),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tiny_set: SyntheticSet, changes: dict[str, object], cause: str
):
    with pytest.raises(DataError, match=cause):
        replace(tiny_set, **changes)


def test_images_that_state_their_space_may_leave_the_unit_interval(
    tiny_set: SyntheticSet, tmp_path: Path
):
    learned = replace(tiny_set, images=tiny_set.images * 2 - 0.5, space="image")
    learned.save(tmp_path / "set")
    assert SyntheticSet.load(tmp_path / "set").space == "image"


@pytest.mark.parametrize("columns", [2, 3])
def test_targets_of_classes_are_put_in_order_with_the_labels(tiny_set: SyntheticSet, columns: int):
    targets = torch.rand(10, columns)
    turned = replace(tiny_set, targets=targets).for_classes(("o", "e"))
    assert turned.targets is not None
    assert torch.equal(turned.targets, targets.flip(1) if columns == 2 else targets)
    assert turned.labels.tolist() == (1 - tiny_set.labels).tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"images": torch.ones(10, 1, 8, 8)},
        {"labels": 1 - torch.arange(10) % 2},
        {"weights": torch.ones(10)},
        {"targets": torch.ones(10, 2)},
    ],
)
def test_a_fingerprint_is_of_what_a_student_sees(
    tiny_set: SyntheticSet, changes: dict[str, object]
):
    assert replace(tiny_set, **changes).fingerprint != tiny_set.fingerprint


def test_a_fingerprint_is_not_of_where_a_set_comes_from(tiny_set: SyntheticSet):
    other = replace(
        tiny_set, provenance={"a": 1}, hints={"tiles": 2}, weights=tiny_set.weights.double()
    )
    assert other.fingerprint == tiny_set.fingerprint


def test_the_largest_class_gives_the_images_per_class(tiny_set: SyntheticSet):
    assert replace(tiny_set, labels=torch.arange(10) // 7).images_per_class == 7


@pytest.mark.parametrize("hints", [{"lr": 1}, {"lr": [0.1, 0.2], "stages": 2}, {"ridge": 1e-6}])
def test_hints_are_what_they_were_when_they_are_loaded(tiny_set: SyntheticSet, tmp_path, hints):
    replace(tiny_set, hints=hints).save(tmp_path / "set")
    assert SyntheticSet.load(tmp_path / "set").hints == hints


def test_a_folder_with_a_hint_that_nobody_knows_is_refused(tiny_set: SyntheticSet, tmp_path: Path):
    # What is frozen is the set, not its dictionary.
    tiny_set.hints["zoom"] = 2
    tiny_set.save(tmp_path / "set")
    with pytest.raises(DataError, match="no hint 'zoom'"):
        SyntheticSet.load(tmp_path / "set")


def test_unfolding_makes_an_image_of_each_tile_by_bilinear_interpolation(full_set: SyntheticSet):
    images = torch.randint(256, (10, 1, 8, 8), dtype=torch.uint8)
    folded = replace(full_set, images=images, hints={"tiles": 2, "lr": 0.1})
    unfolded = folded.unfolded(2)
    # The fourth of image 3: below on the right.
    tile = images[3:4, :, 4:, 4:] / 255
    grown = torch.nn.functional.interpolate(tile, scale_factor=2, mode="bilinear")
    assert torch.equal(unfolded.images[4 * 3 + 3 :][:1], grown)
    assert unfolded.hints == {"lr": 0.1}
    assert unfolded.columns["rank"] == [i for i in range(10) for _ in range(4)]
    for name in ("labels", "weights", "targets"):
        before, after = getattr(folded, name), getattr(unfolded, name)
        assert torch.equal(after[::4], before)
        assert torch.equal(after[3::4], before)


def test_learned_images_are_unfolded_as_they_are(tiny_set: SyntheticSet):
    learned = replace(tiny_set, images=tiny_set.images * 4 - 1, space="image").unfolded(4)
    assert (
        learned.images[:: 4 * 4, 0, 0, 0].tolist() == (tiny_set.images * 4 - 1)[:, 0, 0, 0].tolist()
    )


def test_tiles_that_do_not_fit_an_image_are_refused(tiny_set: SyntheticSet):
    with pytest.raises(DataError, match="8 pixels cannot be cut into 3 x 3"):
        tiny_set.unfolded(3)


def test_sets_are_equal_if_a_student_would_see_the_same(tiny_set: SyntheticSet):
    again = replace(tiny_set, provenance={"distiller": "another"})
    assert again == tiny_set
    assert hash(again) == hash(tiny_set)
    assert replace(tiny_set, weights=tiny_set.weights * 2) != tiny_set
    assert replace(tiny_set, hints={"lr": 0.1}) != tiny_set


def test_a_set_shows_itself_as_one_line_and_in_a_notebook_as_a_grid(tiny_set: SyntheticSet):
    assert repr(tiny_set) == '<SyntheticSet of 10 images 1x8x8, 2 classes, by "unknown">'
    page = tiny_set._repr_html_()
    assert page.count("<img src='data:image/png;base64,") == 10
    assert page.index("even") < page.index("odd")
