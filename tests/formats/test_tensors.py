"""Are the forms read in which the field saves tensors, and is code refused?"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ddoq.errors import DataError, IntegrityError
from ddoq.formats.tensors import read
from ddoq.formats.told import Told

IMAGES = torch.arange(4 * 3 * 4 * 4).reshape(4, 3, 4, 4).to(torch.uint8)
LABELS = torch.tensor([0, 1, 1, 0])
SOFT = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
RATE = torch.tensor(0.02)


@pytest.mark.parametrize(
    "held",
    [
        {"images": IMAGES, "labels": LABELS},
        {"x": IMAGES.permute(0, 2, 3, 1), "y": LABELS.int()},
        {"X": IMAGES.permute(0, 2, 3, 1), "Y": LABELS},
        {"x_train": IMAGES, "y_train": LABELS},
        {"data": IMAGES, "targets": LABELS},
        {"images_syn": IMAGES, "labels_syn": LABELS, "accuracy": 0.5},
        (IMAGES, LABELS),
        [IMAGES, LABELS[:, None]],
        {"data": [[IMAGES, LABELS]], "accs_all_exps": {"ConvNet": [np.float64(0.5)]}},
        {"images": list(IMAGES), "labels": LABELS.tolist()},
    ],
)
def test_forms_of_hard_labels_are_one_set(saved, held):
    found = read(saved(held), Told())
    assert torch.equal(found.images, IMAGES)
    assert torch.equal(found.labels, LABELS)
    assert found.targets is None
    assert (found.class_ids, found.weights.tolist()) == (("0", "1"), [1.0] * 4)


def test_labels_that_count_from_one_are_said_to(saved):
    found = read(saved((IMAGES, LABELS + 1)), Told(first_label=1))
    assert torch.equal(found.labels, LABELS)


def test_arrays_without_names_are_images_and_labels_in_this_order(tmp_path: Path):
    np.savez(tmp_path / "a.npz", IMAGES.numpy(), LABELS.numpy())
    assert torch.equal(read(tmp_path / "a.npz", Told()).images, IMAGES)


def test_dd_rankings_form_has_soft_labels_and_a_rate(saved):
    found = read(saved((IMAGES.float() / 255, SOFT, RATE)), Told())
    assert torch.equal(found.targets, SOFT)
    assert torch.equal(found.labels, LABELS)
    assert found.hints == {"lr": pytest.approx(0.02)}


def test_mtts_folder_is_read_with_its_rate(saved, tmp_path: Path):
    saved(IMAGES.float(), "images_best.pt")
    saved(LABELS, "labels_best.pt")
    saved(0.015, "lr.pt")
    found = read(tmp_path, Told())
    assert torch.equal(found.images, IMAGES.float())
    assert (found.labels.tolist(), found.hints) == (LABELS.tolist(), {"lr": 0.015})


def test_arrays_and_safetensors_hold_the_same_with_weights_and_classes(tmp_path: Path):
    weights = torch.tensor([1.0, 0.5, 1.5, 1.0])
    held = {"images": IMAGES, "labels": LABELS, "weights": weights, "soft_labels": SOFT}
    save_file(held, tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", **{k: v.numpy() for k, v in held.items()})
    (tmp_path / "about.json").write_text('{"class_ids": ["c", "d"], "class_names": ["cat", "dog"]}')
    first, second = (read(tmp_path / name, Told()) for name in ("a.safetensors", "a.npz"))
    assert first == second
    assert (first.class_ids, first.class_names) == (("c", "d"), ("cat", "dog"))
    assert torch.equal(first.weights.float(), weights)
    assert torch.equal(first.targets, SOFT)


def test_what_a_person_says_is_taken_in_place_of_the_file(saved, tmp_path: Path):
    torch.save(SOFT.flip(1), tmp_path / "other.pt")
    file = saved((IMAGES, SOFT, RATE))
    told = Told(targets=str(tmp_path / "other.pt"), lr=0.5)
    found = read(file, told)
    assert torch.equal(found.targets, SOFT.flip(1))
    assert (found.labels.tolist(), found.hints) == ([1, 0, 0, 1], {"lr": 0.5})
    assert read(file, Told(targets="ignore")).targets is None


def test_one_of_several_sets_is_asked_for(saved):
    file = saved({"data": [[IMAGES, LABELS], [IMAGES.flip(0), LABELS.flip(0)]]})
    with pytest.raises(DataError, match=r"holds 2 sets[\s\S]*entry=0"):
        read(file, Told())
    assert torch.equal(read(file, Told(entry=1)).images, IMAGES.flip(0))
    with pytest.raises(DataError, match="entry=2"):
        read(file, Told(entry=2))


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"images": IMAGES}, "no labels"),
        ({"x": IMAGES, "data": IMAGES, "y": LABELS}, "which are its images, x or data"),
        ({"images": IMAGES, "y": LABELS, "target": LABELS}, "which are its labels, y or target"),
        ({"pictures": IMAGES}, r"no images[\s\S]*images are called images, image or x"),
        ({"weights": LABELS}, "but no images"),
        (IMAGES, "not images and labels"),
        ((IMAGES[:, :, :3, :3], LABELS), "either way round"),
        ((IMAGES[:, :2], LABELS), "no 1 or 3 channels"),
        ((IMAGES, LABELS + 0.5), "no whole numbers"),
        ((IMAGES.long() * 9, LABELS), "from 0 to"),
        ((IMAGES, LABELS, torch.ones(2)), "2 learning rates"),
        ((IMAGES, LABELS[:3]), "labels has 3"),
        ((IMAGES, LABELS * 2), "no images of 1 classes"),
        ((IMAGES, LABELS + 1), "labels are 1 to 2: do they count from 1"),
        ((IMAGES, LABELS - 1), "from -1 to 0"),
        ((IMAGES, LABELS * 10**12), "from 0 to 1000000000000, of 4 images"),
        ((IMAGES, LABELS * float("nan")), "no whole numbers"),
        ((IMAGES, LABELS > 0), "torch.bool"),
        ((IMAGES, LABELS[0]), "labels are a single number"),
        ((IMAGES[0, 0, 0, 0], LABELS), "images are a single number"),
        ((IMAGES[:0], LABELS[:0]), "0x3x4x4: there are none"),
        ((IMAGES, LABELS[:0]), "labels are 0 of"),
        ((IMAGES > 3, LABELS), "images are torch.bool"),
        ((IMAGES * 1j, LABELS), "images are no tensor of plain numbers"),
        ((IMAGES.to_sparse(), LABELS), "images are no tensor of plain numbers"),
        ((IMAGES.to("meta"), LABELS), "images are no tensor of plain numbers"),
        ((IMAGES, SOFT * float("nan")), "soft label is not finite"),
        ({"images": IMAGES, "soft_labels": SOFT[:, 0]}, "soft labels are 4, of 4"),
        ({"images": None, "labels": LABELS}, "images are None"),
        ({"images": IMAGES, "labels": LABELS, "weights": -SOFT[:, 0]}, "set.pt: a weight is neg"),
        ({"data": []}, "'data' is empty"),
    ],
)
def test_what_is_no_set_is_refused_with_its_reason(saved, held, words: str):
    with pytest.raises(DataError, match=words):
        read(saved(held), Told())


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


def test_code_is_refused_and_not_run(tmp_path: Path):
    torch.save({"images": IMAGES, "labels": Evil()}, tmp_path / "a.pt")
    np.savez(tmp_path / "b.npz", images=np.array([Evil()], dtype=object))
    (tmp_path / "c.pth").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "d.safetensors").write_bytes(b"\x08" + b"\x00" * 20)
    for name in ("a.pt", "b.npz", "c.pth", "d.safetensors"):
        with pytest.raises(IntegrityError, match=name):
            read(tmp_path / name, Told())
    assert not Path("touched").exists()


def test_labels_that_are_said_to_count_from_one_and_do_not_are_told(saved):
    with pytest.raises(DataError, match="first_label=1, but its labels begin at 0") as caught:
        read(saved((IMAGES, LABELS)), Told(first_label=1))
    assert "sets=[{path: FILE, first_label: 1}]" in caught.value.remedy
