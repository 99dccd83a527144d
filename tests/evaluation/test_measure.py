"""What does a training come to, whichever way its labels came?"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ddoq import recipe
from ddoq.data.conversion import as_floats
from ddoq.errors import UsageError
from ddoq.evaluation.given_rows import given_entry
from ddoq.evaluation.grid import Grid, Table
from ddoq.evaluation.measure import Measure, evaluated, measure
from ddoq.evaluation.training import Training, feed_of, labels_of, stored_bytes, training_key
from ddoq.files.tensors import read_tensors
from ddoq.protocols.presets import PRESETS, preset
from ddoq.run import Run
from ddoq.students.student import Student

STUDENT = {"name": "convnet", "depth": 2, "width": 8}
HARD = {"labels": "hard", "loss": "ce"}
TARGETS = {"labels": "targets", "loss": "mse"}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Return a function that opens digits with two students and a cache of its own."""

    def make(*overrides: str) -> Run:
        students = "students=[{name: convnet, depth: 2, width: 8}, {name: convnet, depth: 1}]"
        places = [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]
        return Run(recipe.read(["recipe=digits", students, *places, *overrides]).recipe)

    return make


def training(run: Run, seed: int = 0, **changes: object) -> Training:
    """Train on 30 real images for a few steps."""
    indices = torch.arange(0, 600, 20)
    protocol = preset("small", **{"steps": 12, "flip": True, **changes})
    return Training(run.images.subset(indices), STUDENT, protocol, seed)


def outcome(measure: Measure) -> dict[str, object]:
    """What was measured, but for what it cost."""
    costs = ("seconds", "peak_memory_mb")
    return {k: v for k, v in dataclasses.asdict(measure).items() if k not in costs}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mix": "cutmix", "mix_per": "batch"},
        {"label_dtype": "int8"},
        {"label_top_k": 3, "label_dtype": "float16"},
        {"label_keep": 0.25},
    ],
)
def test_stored_labels_give_what_the_teacher_gives_at_each_step(make_run, changes) -> None:
    run = make_run("evaluation.labels=stored")
    one = training(run, **changes)
    table = labels_of(run, one)
    assert table is not None
    stored, online = evaluated(run, one, table), evaluated(run, one, None)
    assert outcome(stored) == outcome(online)


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        # 12 epochs of one step of 30 images, ten logits each.
        ({"batch_size": 64}, 12 * 10 * 4),
        ({"batch_size": 64, "label_keep": 0.25, "label_dtype": "float16"}, 3 * 10 * 2),
        # Two epochs of six steps.
        ({"batch_size": 5, "label_dtype": "int8"}, 2 * (10 + 8)),
    ],
)
def test_the_bytes_of_labels_are_those_of_their_storage(make_run, changes, total) -> None:
    run = make_run("evaluation.labels=stored")
    one = training(run, **changes)
    assert stored_bytes(run, one) == total
    labels_of(run, one)
    [folder] = (run.cache.place("labels", {}).parent).glob("*/labels.json")
    files = [read_tensors(f) for f in folder.parent.glob("*.safetensors")]
    kept = sum(t.nbytes for f in files for name, t in f.items() if name != "starts")
    assert kept == total * 30


@pytest.mark.parametrize(("how", "is_stored"), [("auto", True), ("online", False)])
def test_small_labels_are_stored_where_students_share_them(make_run, how, is_stored) -> None:
    run = make_run(f"evaluation.labels={how}")
    assert (labels_of(run, training(run)) is not None) == is_stored
    assert labels_of(run, training(run, labels="hard", loss="ce")) is None


def test_students_share_a_table_and_seeds_do_not(make_run) -> None:
    run = make_run()
    for student in run.recipe.students:
        labels_of(run, dataclasses.replace(training(run), student=student))
    labels_of(run, training(run, lr=0.5))
    assert [(r.stage, r.cached) for r in run.records if r.stage == "labels"] == [
        ("labels", False),
        ("labels", True),
        ("labels", True),
    ]
    labels_of(run, training(run, seed=1))
    assert run.records[-1].cached is False


def test_the_best_of_several_evaluations_is_reported_where_the_protocol_says_so(make_run) -> None:
    run = make_run()
    # A rate that goes up and up: the network is better on the way than at the end.
    rising = {"lr": 0.3, "schedule": "constant", "warmup": 0.9, "steps": 30}
    last = evaluated(run, training(run, **rising, evaluations=9))
    best = evaluated(run, training(run, **rising, evaluations=9, reported="best"))
    assert last.top1 == last.last_top1 == best.last_top1 < best.top1
    assert best.top1 == best.best_top1 == last.best_top1


def test_without_evaluations_the_last_state_is_the_best(make_run) -> None:
    run = make_run()
    found = evaluated(run, training(run))
    assert found.top1 == found.last_top1 == found.best_top1


def test_the_running_mean_of_the_weights_is_measured_where_it_is_reported(make_run) -> None:
    run = make_run()
    plain = evaluated(run, training(run, lr=0.02, steps=40))
    slow = evaluated(run, training(run, lr=0.02, steps=40, ema=0.9999, reported="ema"))
    assert slow.last_top1 == plain.top1
    # After so few steps the mean is the initial network still, which knows nothing.
    assert slow.top1 < 0.25 < plain.top1


def test_accuracies_of_classes_average_to_that_of_all(make_run) -> None:
    run = make_run()
    found = evaluated(run, training(run))
    counts = run.images.test.labels.bincount().double()
    of_class = torch.tensor(found.of_class, dtype=torch.float64)
    assert float((of_class * counts).sum() / counts.sum()) == pytest.approx(found.top1)
    assert 0 < found.ece < 1


def test_a_step_with_a_second_forward_moves_batch_statistics_twice(make_run) -> None:
    run = make_run()
    changes = {"second_forward": True, "mix": "cutmix", "steps": 3}
    block = {"name": "convnet", "depth": 2, "width": 8, "norm": "batch"}
    seen: list[int] = []

    class Counting(Student):
        def on_train_end(self) -> None:
            seen.append(int(self.net.blocks[1].num_batches_tracked))

    import ddoq.students.student as module

    original, module.Student = module.Student, Counting
    try:
        evaluated(run, dataclasses.replace(training(run, **changes), student=block))
    finally:
        module.Student = original
    assert seen == [6]


def test_a_set_of_another_size_is_refused_unless_the_protocol_says_so(make_run) -> None:
    run = make_run()
    one = training(run, labels="hard", loss="ce", flip=False)
    doubled = one.synthetic.images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    larger = dataclasses.replace(one.synthetic, images=doubled)
    with pytest.raises(UsageError, match="16 pixels, the real images have 8"):
        evaluated(run, dataclasses.replace(one, synthetic=larger))
    plain = one.wanted.change(crop=None)
    resizing = dataclasses.replace(one, synthetic=larger, wanted=plain.change(any_size=True))
    assert evaluated(run, resizing).top1 > 0
    feed = feed_of(run, resizing)
    pixels = as_floats(doubled[feed.chosen(0)])
    expected = F.interpolate(pixels, size=(8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(feed.whole(0).images, expected, atol=1e-5, rtol=0)


def with_targets(one: Training, targets: torch.Tensor | None, **changes: object) -> Training:
    """Return a training whose set has targets, under a changed protocol."""
    given = dataclasses.replace(one.synthetic, targets=targets)
    return dataclasses.replace(one, synthetic=given, wanted=one.wanted.change(**changes))


@pytest.mark.parametrize("changes", [{}, HARD])
def test_targets_that_are_not_read_change_nothing_and_the_row_says_so(make_run, changes) -> None:
    run = make_run()
    plain = training(run, **changes)
    given = with_targets(plain, torch.rand(30, 7))
    assert training_key(run, given) == training_key(run, plain)
    assert (plain.note, given.note) == ("", "targets not read")
    row = given_entry(given.synthetic, 1, 1)
    [result] = Grid(run, [row], [Table(given.wanted)], [given.student], given.seed).results()
    assert result.note == "targets not read"
    assert outcome(measure(run, given)) == outcome(evaluated(run, plain))


def test_without_targets_the_labels_are_learned_by_squares(make_run) -> None:
    run = make_run()
    one, learned = training(run, **HARD), {**TARGETS, "steps": 60, "lr": 0.03}
    own = torch.eye(10)[one.synthetic.labels] - 0.1
    without, given = (with_targets(one, t, **learned) for t in (None, own))
    assert (without.note, given.note) == ("", "")
    first, second = evaluated(run, without), evaluated(run, given)
    assert outcome(first) == outcome(second)
    assert first.top1 > 0.3
    turned = with_targets(one, own.roll(1, 1), **learned)
    assert evaluated(run, turned).top1 < 0.1
    assert len({str(training_key(run, c)) for c in (without, given, turned)}) == 3


def test_targets_of_another_width_than_the_classes_are_not_trained_on(make_run) -> None:
    run = make_run()
    wide = with_targets(training(run, **HARD), torch.rand(30, 7), **TARGETS)
    with pytest.raises(UsageError, match=r"7 numbers for each image.* 10 classes"):
        measure(run, wide)


def test_learned_images_are_not_cropped_by_pillow(make_run) -> None:
    run = make_run()
    one = training(run, **HARD)
    learned = dataclasses.replace(
        one.synthetic, images=one.synthetic.images / 255 * 2 - 0.5, space="image"
    )
    beyond = dataclasses.replace(one, synthetic=learned)
    assert evaluated(run, beyond).top1 > 0
    with pytest.raises(UsageError, match=r"from -0.5 to 1.5; pixels=pil"):
        measure(run, dataclasses.replace(beyond, wanted=one.wanted.change(pixels="pil")))


def test_a_set_is_refused_before_it_is_labeled(make_run) -> None:
    run = make_run("evaluation.labels=stored")
    one = training(run)
    colored = dataclasses.replace(one.synthetic, images=one.synthetic.images.expand(-1, 3, -1, -1))
    with pytest.raises(UsageError, match="3 channels"):
        measure(run, dataclasses.replace(one, synthetic=colored))
    assert run.records == []


def test_weights_do_not_change_the_labels_of_images(make_run) -> None:
    run = make_run("evaluation.labels=stored")
    one = training(run)
    heavy = dataclasses.replace(one.synthetic, weights=torch.arange(1.0, 31.0))
    labels_of(run, one)
    labels_of(run, dataclasses.replace(one, synthetic=heavy))
    assert [r.cached for r in run.records] == [False, True]


def test_images_with_other_channels_are_refused(make_run) -> None:
    run = make_run()
    one = training(run)
    colored = dataclasses.replace(one.synthetic, images=one.synthetic.images.expand(-1, 3, -1, -1))
    with pytest.raises(UsageError, match="3 channels, the real images have 1"):
        evaluated(run, dataclasses.replace(one, synthetic=colored))


@pytest.mark.parametrize("changes", [{"reported": "best", "evaluations": 6}])
def test_the_state_that_chooses_is_not_selected_by_the_test_images(make_run, changes) -> None:
    run = make_run("evaluation.choose=true")
    best = measure(run, training(run, **changes))
    last = measure(run, training(run))
    assert best.val_top1 == last.val_top1
    assert best.top1 >= last.top1


def test_validation_images_are_measured_in_the_last_state_where_they_choose(make_run) -> None:
    both = measure(chooser := make_run("evaluation.choose=true"), training(chooser))
    val = measure(run := make_run("evaluation.split=val"), training(run))
    test = measure(run := make_run(), training(run))
    assert (both.top1, both.val_top1) == (test.top1, val.top1)
    assert test.val_top1 is None


def hinted(one: Training, hints: dict[str, object], used: list[str]) -> Training:
    """Return a training whose set has hints and whose protocol uses some."""
    synthetic = dataclasses.replace(one.synthetic, hints=hints)
    return dataclasses.replace(one, synthetic=synthetic, wanted=one.wanted.change(uses_hints=used))


def test_two_rates_are_two_trainings_where_they_are_used_and_else_one(make_run) -> None:
    run, one = make_run(), training(make_run(), **HARD)
    keys = [
        training_key(run, hinted(one, {"lr": lr}, used)) for used in ([], ["lr"]) for lr in (1, 2)
    ]
    assert keys[0] == keys[1] == training_key(run, one)
    assert [k["protocol"]["lr"] for k in keys[2:]] == [1, 2]


def test_a_set_without_hints_is_one_training_for_protocols_that_differ_in_what_they_use(
    make_run,
) -> None:
    run, one = make_run(), training(make_run())
    wanted = {name: PRESETS[name] for name in ("dc", "mtt", "dc_tiles")}
    plain = [training_key(run, dataclasses.replace(one, wanted=p)) for p in wanted.values()]
    assert plain[0] == plain[1] == plain[2]
    tiled = dataclasses.replace(one.synthetic, hints={"tiles": 2, "lr": 0.3})
    of = {n: dataclasses.replace(one, synthetic=tiled, wanted=p) for n, p in wanted.items()}
    assert training_key(run, of["dc"]) == plain[0]
    assert len({str(training_key(run, t)) for t in of.values()}) == 3
    assert len(of["dc_tiles"].taught) == 4 * len(tiled)


def test_a_learned_rate_trains_as_if_it_were_the_protocols(make_run) -> None:
    run = make_run()
    learned = evaluated(run, hinted(training(run, **HARD), {"lr": 0.02}, ["lr"]))
    assert outcome(learned) == outcome(evaluated(run, training(run, **HARD, lr=0.02)))


def test_a_set_of_tiles_is_trained_on_as_its_tiles_and_refused_as_a_collage(make_run) -> None:
    run = make_run()
    one = training(run, **HARD)
    with pytest.raises(
        UsageError, match=r"dc_tiles.*uses_hints: .tiles..*cut a set apart before"
    ) as caught:
        measure(run, hinted(one, {"tiles": 2}, []))
    assert "2 x 2 smaller ones" in str(caught.value)
    tiled = hinted(one, {"tiles": 2}, ["tiles"])
    apart = dataclasses.replace(one, synthetic=one.synthetic.unfolded(2))
    assert training_key(run, tiled)["set"] == training_key(run, apart)["set"]
    assert outcome(evaluated(run, tiled)) == outcome(evaluated(run, apart))
    # Its size is that of what is stored.
    assert len(feed_of(run, tiled).synthetic) == 4 * len(tiled.synthetic) == 4 * len(one.synthetic)
