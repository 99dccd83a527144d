"""Does a teacher label by class id?"""

import pytest
import torch

from ddoq import recipe
from ddoq.errors import DataError, ResourceError, UsageError
from ddoq.run import Run
from ddoq.teachers.teacher import Teacher
from ddoq.teachers.trained import make_net, trained_teacher


def teacher(class_ids: tuple[str, ...]) -> Teacher:
    net = torch.nn.Flatten()
    return Teacher(net, class_ids=class_ids, mean=(0.0,), std=(1.0,), image_size=2)


def test_logits_are_gathered_in_the_order_that_is_asked_for() -> None:
    t = teacher(("a", "b", "c", "d")).for_classes(("d", "a"))
    assert t(torch.tensor([[[[0.0, 0.1], [0.2, 0.3]]]])).tolist() == [[pytest.approx(0.3), 0.0]]


def test_a_missing_class_is_refused() -> None:
    with pytest.raises(DataError, match="does not know the classes e"):
        teacher(("a", "b", "c", "d")).for_classes(("a", "e"))


def test_images_of_another_size_are_resized_to_the_teachers() -> None:
    gray = torch.full((1, 1, 8, 8), 0.5)
    torch.testing.assert_close(teacher(("a", "b", "c", "d"))(gray), torch.full((1, 4), 0.5))


def test_a_teacher_stays_frozen() -> None:
    t = trained_teacher(source="checkpoints/digits/teacher").train()
    assert not any(m.training for m in t.modules())
    assert not any(p.requires_grad for p in t.parameters())


def test_the_shipped_teacher_is_as_good_as_its_card_says() -> None:
    run = Run(recipe.read(["recipe=digits"]).recipe)
    right = [(run.teacher(x).argmax(1) == y).float() for x, y in run.images.batches("val")]
    assert float(torch.cat(right).mean()) == pytest.approx(0.9841, abs=1e-3)


def test_labels_in_half_precision_are_nearly_those_in_single_and_float32() -> None:
    source = "checkpoints/glyphs/teacher"
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    full = trained_teacher(source=source)(images)
    half = trained_teacher(source=source, dtype="bfloat16")(images)
    assert half.dtype == torch.float32
    assert 0 < float((half.softmax(1) - full.softmax(1)).abs().max()) < 0.02


def test_a_teacher_in_single_precision_ignores_a_students_half() -> None:
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    full = trained_teacher(source="checkpoints/glyphs/teacher")
    with torch.autocast("cpu", torch.bfloat16):
        within = full(images)
    assert torch.equal(within, full(images))


def test_a_folder_without_a_teacher_is_an_error() -> None:
    with pytest.raises(ResourceError, match="no teacher at nowhere"):
        trained_teacher(source="nowhere")


def test_a_description_never_names_code_to_run() -> None:
    described = {"class_ids": ["a"], "mean": [0.0], "image_size": 8}
    with pytest.raises(UsageError, match="not one of ours"):
        make_net({"name": "os:system"}, described)


def test_features_are_what_the_classifier_reads() -> None:
    run = Run(recipe.read(["recipe=digits"]).recipe)
    images = run.images.pixels("test")[:5] / 255
    found = run.teacher.net.classifier(run.teacher.features(images))
    torch.testing.assert_close(found, run.teacher(images))


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(UsageError, match="Flatten has no `features`"):
        teacher(("a", "b", "c", "d")).features(torch.zeros(1, 1, 2, 2))


def test_feature_maps_are_the_last_of_each_resolution() -> None:
    """Of a ConvNet of two blocks: behind each activation, and what the classifier reads."""
    t = trained_teacher(source="checkpoints/digits/teacher")
    x = torch.rand(3, 1, 8, 8)
    maps = t.maps(x)
    assert [m.shape[2] for m in maps] == [8, 4, 2]
    torch.testing.assert_close(maps[-1].flatten(1), t.features(x))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(maps[1], 2), maps[2])


def test_a_network_without_feature_maps_is_refused() -> None:
    with pytest.raises(UsageError, match="Flatten has no feature maps"):
        teacher(("a", "b", "c", "d")).maps(torch.rand(1, 1, 2, 2))
