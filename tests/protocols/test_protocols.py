import dataclasses
import json
import re

import pytest

from ddoq.errors import UsageError
from ddoq.protocols.presets import PRESETS, preset
from ddoq.protocols.protocol import Protocol, Rule
from ddoq.recipe import read
from ddoq.recipe.tables import PROTOCOLS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_known_by_its_own_name(name: str):
    assert preset(name).id == name
    assert name in PROTOCOLS


def test_the_table_of_protocols_names_no_others():
    assert set(PROTOCOLS) == set(PRESETS)


def test_a_change_becomes_part_of_the_id():
    changed = preset("small", steps=9, lr=0.1)
    assert changed.id == "small+lr=0.1+steps=9"
    assert (changed.steps, changed.lr) == (9, 0.1)


def test_what_is_set_to_its_own_value_is_no_change():
    same = preset("small", steps=PRESETS["small"].steps)
    assert same == PRESETS["small"]


def test_a_preset_is_not_changed_by_its_changes():
    before = dataclasses.asdict(PRESETS["fkd"])
    preset("fkd", epochs=1)
    assert dataclasses.asdict(PRESETS["fkd"]) == before


@pytest.mark.parametrize("changes", [{"epochs": 3}, {"steps": None}])
def test_a_length_is_given_in_exactly_one_way(changes: dict[str, object]):
    with pytest.raises(UsageError, match="exactly one of the two"):
        preset("small", **changes)


@pytest.mark.parametrize(
    "changes",
    [{"labels": "hard"}, {"loss": "ce"}, {"loss": "mse"}, {"labels": "targets"}],
)
def test_labels_and_loss_must_go_together(changes: dict[str, object]):
    with pytest.raises(UsageError, match="labels="):
        preset("small", **changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("small_hard", {"label_keep": 0.5}, "with labels=hard"),
        ("small_hard", {"labels": "targets"}, "labels=targets with loss=ce"),
        ("small_hard", {"label_dtype": "int8"}, "with labels=hard"),
        ("small_hard", {"label_top_k": 5}, "with labels=hard"),
        ("small", {"label_keep": 0.0}, "label_keep=0.0"),
        ("small", {"label_keep": 1.5}, "label_keep=1.5"),
        ("small", {"evaluate_after": 1.0}, "evaluate_after=1.0"),
        ("small", {"evaluate_after": -0.1}, "evaluate_after=-0.1"),
        ("small", {"reported": "ema"}, "reported=ema with ema=0.0"),
        ("small", {"ema": 0.9}, "reported=last with ema=0.9"),
        ("small", {"ema": 1.0, "reported": "ema"}, "reported=ema with ema=1.0"),
        ("small", {"ema": -0.1, "reported": "ema"}, "reported=ema with ema=-0.1"),
        ("small", {"reported": "best"}, "reported=best with evaluations=0"),
        ("small", {"batch_size": 0}, "batch_size=0"),
        ("small", {"warmup": 1.0}, "warmup=1.0"),
        ("edc", {"reported": "last"}, "reported=last with ema=0.99"),
        ("fkd", {"evaluations": 0}, "reported=best with evaluations=0"),
    ],
)
def test_what_makes_no_sense_is_refused(name, changes, message):
    with pytest.raises(UsageError, match=message):
        preset(name, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"label_keep": 1.0},
        {"evaluate_after": 0.0},
        {"ema": 0.5, "reported": "ema"},
        {"reported": "best", "evaluations": 1},
        {"loss": "gift"},
    ],
)
def test_what_makes_sense_at_the_border_is_accepted(changes):
    changed = preset("small", **changes)
    assert all(getattr(changed, k) == v for k, v in changes.items())


@pytest.mark.parametrize(("num_images", "steps"), [(1, 300), (1024, 300), (1025, 600)])
def test_epochs_count_their_last_smaller_batch(num_images: int, steps: int):
    assert PRESETS["fkd"].num_steps(num_images) == steps


def test_steps_do_not_depend_on_the_number_of_images():
    assert PRESETS["small"].num_steps(1) == PRESETS["small"].num_steps(10**6)


TEN = {1: 3000, 2: 2000, 10: 2000, 11: 1500, 50: 1500, 51: 1000, 200: 1000}
TEN |= {201: 500, 500: 500, 501: 300, 1300: 300}
# Two thirds, rounded down to hundreds; full data as they are.
HUNDRED = {1: 2000, 2: 1300, 10: 1300, 11: 1000, 50: 1000, 51: 600, 200: 600}
HUNDRED |= {201: 300, 500: 300, 501: 300, 1300: 300}


@pytest.mark.parametrize(
    ("num_classes", "per_class", "epochs"),
    [
        (num_classes, per_class, epochs)
        for num_classes, table in ((10, TEN), (100, HUNDRED), (1000, TEN))
        for per_class, epochs in table.items()
    ],
)
def test_minimax_trains_small_sets_longer(num_classes: int, per_class: int, epochs: int):
    assert PRESETS["minimax_hard"].on(per_class, num_classes).epochs == epochs


@pytest.mark.parametrize("num_classes", [10, 100, 1000])
def test_minimax_measures_full_data_after_each_epoch_and_others_a_hundred_times(num_classes: int):
    found = [PRESETS["minimax_hard"].on(n, num_classes) for n in (10, 500, 1300)]
    assert [p.evaluations + 1 for p in found] == [100, 100, 300]
    assert found[-1].epochs == 300


@pytest.mark.parametrize(
    ("num_classes", "settings"),
    [(10, (0.01, 5e-4, 64)), (100, (0.01, 5e-4, 64)), (1000, (0.1, 1e-4, 128))],
)
def test_minimax_has_other_rates_above_a_hundred_classes(num_classes, settings):
    minimax = PRESETS["minimax_hard"].on(10, num_classes)
    assert (minimax.lr, minimax.weight_decay, minimax.batch_size) == settings


@pytest.mark.parametrize(
    ("num_classes", "sizes"),
    [
        (10, {1: 10, 9: 10, 10: 50, 49: 50, 50: 100, 200: 100}),
        (99, {1: 10, 10: 50, 50: 100}),
        (100, {1: 20, 9: 20, 10: 100, 49: 100, 50: 200, 200: 200}),
        (1000, {1: 20, 10: 100, 50: 200}),
    ],
)
def test_rdeds_batches_grow_with_the_set(num_classes: int, sizes: dict[int, int]):
    found = {n: PRESETS["rded"].on(n, num_classes).batch_size for n in sizes}
    assert found == sizes


def test_tiny_imagenet_has_rdeds_batch_of_100():
    assert {PRESETS["rded"].on(n, 200, 64).batch_size for n in (1, 10, 50)} == {100}
    assert PRESETS["rded"].on(1, 200, 224).batch_size == 20


@pytest.mark.parametrize(("size", "factor"), [(32, 1), (64, 1), (128, 2), (224, 2)])
def test_rdeds_factor_is_1_for_small_images(size: int, factor: int):
    rded = PRESETS["rded"].on(10, 10, size)
    assert (rded.patches, rded.crop) == (factor, None if factor == 1 else [1 / factor, 1.0])


@pytest.mark.parametrize("name", PRESETS)
def test_a_protocol_with_its_rules_applied_has_none_left_and_the_same_id(name: str):
    applied = PRESETS[name].on(10, 10)
    assert applied.rules == ()
    assert applied.id == name
    assert applied.on(1, 1000) == applied


@pytest.mark.parametrize("epochs", [7, 300])
def test_a_users_setting_beats_a_rule_and_shows_in_the_id(epochs: int):
    changed = preset("minimax_hard", epochs=epochs)
    assert changed.id == f"minimax_hard+epochs={epochs}"
    for per_class, num_classes in ((1, 10), (50, 100), (10, 1000)):
        assert changed.on(per_class, num_classes).epochs == epochs
    # What is not set still follows the rules.
    assert changed.on(10, 1000).lr == 0.1


def test_a_setting_may_beat_one_of_several_of_a_rule():
    changed = preset("minimax_hard", lr=0.02).on(10, 1000)
    assert (changed.lr, changed.weight_decay, changed.batch_size) == (0.02, 1e-4, 128)


def test_the_last_of_the_rules_that_apply_wins():
    rules = (Rule({"lr": 1.0, "epochs": 5}), Rule({"lr": 2.0}, images_per_class=(3, 4)))
    protocol = dataclasses.replace(PRESETS["fkd"], rules=rules)
    found = [(p.lr, p.epochs) for p in (protocol.on(n, 10) for n in (2, 3, 4, 5))]
    assert found == [(1.0, 5), (2.0, 5), (2.0, 5), (1.0, 5)]


@pytest.mark.parametrize("name", PRESETS)
def test_a_key_is_plain_data_without_names(name: str):
    key = PRESETS[name].key()
    assert json.loads(json.dumps(key)) == key
    assert not {"id", "source", "deviations", "rules"} & set(key)
    other = dataclasses.replace(PRESETS[name], id="other", source="elsewhere", deviations="none")
    assert other.key() == key


def test_a_protocol_that_whitens_is_no_augmentation_of_another():
    plain = preset("mtt", dsa="")
    assert plain.is_unaugmented(PRESETS["mtt"])
    assert not plain.is_unaugmented(PRESETS["mtt_zca"])


def test_every_setting_is_in_the_key():
    fields = {f.name for f in dataclasses.fields(Protocol)}
    others = {"id", "source", "deviations", "rules", "origin"}
    # Which hints are used is told by what they come to.
    assert set(PRESETS["mtt_zca"].key()) == fields - others - {"uses_hints"}
    # As versions that could not whiten had it.
    assert set(PRESETS["fkd"].key()) == fields - others - {"uses_hints", "whiten"}


def test_a_hint_is_taken_in_place_of_the_protocols_rate_and_of_each_students():
    rded = preset("rded", uses_hints=["lr"])
    hinted = rded.hinted({"lr": 0.3, "tiles": 2})
    assert (hinted.lr, hinted.lr_of) == (0.3, {})
    assert hinted.id == "rded+uses_hints=['lr']"
    assert hinted.key() == preset("rded", lr=0.3).key()


@pytest.mark.parametrize(
    ("used", "hints"), [([], {"lr": 0.3}), (["lr"], {}), (["tiles"], {"lr": 0.3, "tiles": 2})]
)
def test_a_hint_that_is_not_used_or_not_there_changes_nothing(used, hints):
    assert preset("dc", uses_hints=used).hinted(hints).key() == PRESETS["dc"].key()


def test_a_recipe_names_hints_that_a_protocol_can_use():
    with pytest.raises(UsageError, match=r"uses_hints: \['stages'\] is not a list, each entry"):
        read(["recipe=digits", "protocol={name: small, uses_hints: [stages]}"])


def test_rates_of_several_stages_are_refused_where_there_is_one_training():
    with pytest.raises(UsageError, match="this set has 2, one for each of its stages"):
        preset("dc", uses_hints=["lr"]).hinted({"lr": [0.1, 0.2]})


LABELED = {
    "epochs": 7,
    "batch_size": 7,
    "weights": "sampler",
    "image_size": 64,
    "patches": 3,
    "crop": [0.5, 1.0],
    "flip": False,
    "jitter": 0.1,
    "lighting": 0.2,
    "dsa": "flip",
    "mix": "mixup",
    "mix_alpha": 0.3,
    "mix_per": "sample",
    "pixels": "pil",
    "temperature": 3.0,
    "label_keep": 0.5,
    "label_dtype": "int8",
    "label_top_k": 3,
}
UNLABELED = {
    "loss": "soft_ce",
    "optimizer": "sgd",
    "lr": 0.5,
    "lr_of": {"convnet": 0.1},
    "weight_decay": 0.5,
    "decay_vectors": True,
    "momentum": 0.5,
    "schedule": "linear",
    "schedule_per": "step",
    "last_factor": 0.5,
    "milestones": [0.1],
    "decay": 0.5,
    "warmup": 0.5,
    "second_forward": True,
    "test_margin": False,
    "reported": "last",
    "evaluations": 3,
    "evaluate_after": 0.5,
}


@pytest.mark.parametrize(("name", "value"), LABELED.items())
def test_what_is_labeled_decides_on_the_labels(name, value):
    fkd = PRESETS["fkd"]
    assert fkd.change(**{name: value}).label_key() != fkd.label_key()


@pytest.mark.parametrize(("name", "value"), UNLABELED.items())
def test_how_a_student_learns_does_not_touch_the_labels(name, value):
    fkd = PRESETS["fkd"]
    changed = fkd.change(**{name: value})
    assert changed.key() != fkd.key()
    assert changed.label_key() == fkd.label_key()


def test_each_setting_is_known_to_touch_the_labels_or_not():
    others = {"labels", "steps", "ema", "evaluator", "any_size"}
    assert {*LABELED, *UNLABELED, *others} == set(PRESETS["fkd"].key())


# What every field is where a source does nothing of the kind.
NOTHING = {
    **{"steps": None, "epochs": None, "temperature": 1.0, "lr_of": {}, "warmup": 0.0, "ema": 0.0},
    **{"momentum": 0.9, "last_factor": 0.0, "milestones": [2 / 3, 5 / 6], "decay": 0.2},
    **{"decay_vectors": False, "schedule_per": "step", "second_forward": False},
    **{"image_size": None, "any_size": False, "test_margin": False, "patches": 1, "crop": None},
    **{"flip": False, "jitter": 0.0, "lighting": 0.0, "dsa": "", "pixels": "batched"},
    **{"mix": "none", "mix_alpha": 1.0, "mix_per": "sample", "weights": "loss"},
    **{"label_keep": 1.0, "label_dtype": "float32", "label_top_k": None},
    **{"reported": "last", "evaluations": 0, "evaluate_after": 0.0, "evaluator": {"name": "train"}},
}
ADAMW = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01}
SGD = {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}
KL = {"labels": "soft", "loss": "kl", "temperature": 20.0, "epochs": 300}
CE = {"labels": "hard", "loss": "ce"}
CUTMIX = {"mix": "cutmix", "mix_alpha": 1.0, "mix_per": "batch", "flip": True}
IMAGENET = {"image_size": 224, "test_margin": True}
COSINE = {"schedule": "cosine", "schedule_per": "epoch"}
SHUFFLED = {"patches": 2, "crop": [0.5, 1.0]}
RDED_RATES = {
    "vgg11": 5e-4,
    "efficientnet_b0": 2e-3,
    "mobilenet_v2": 2.5e-3,
    "mobilenetv2_100": 2.5e-3,
    **dict.fromkeys(("alexnet", "vit_b_16", "vit_base_patch16_224"), 1e-4),
    **dict.fromkeys(("swin_v2_t", "swinv2_tiny_window8_256"), 1e-4),
}
# Written from the public code; a field that no setting of ours is equal to is in words.
SOURCES = {
    "small": {
        **NOTHING,
        **ADAMW,
        **{"labels": "soft", "loss": "soft_ce", "steps": 200, "batch_size": 64, "lr": 2e-3},
        **{"schedule": "cosine", "warmup": 0.1, "crop": [0.5, 1.0]},
    },
    "fkd": {
        **NOTHING,
        **ADAMW,
        **KL,
        **COSINE,
        **CUTMIX,
        **IMAGENET,
        **{"batch_size": 1024, "crop": [0.08, 1.0], "pixels": "pil", "label_dtype": "float16"},
        **{
            "reported": "best",
            "evaluations": "after every tenth epoch, from the first, and the end",
        },
    },
    "rded": {
        **NOTHING,
        **ADAMW,
        **KL,
        **CUTMIX,
        **SHUFFLED,
        **{"batch_size": 100, "schedule": "half_cosine", "schedule_per": "epoch"},
        **{
            "lr_of": {f"{f}/{n}": r for n, r in RDED_RATES.items() for f in ("torchvision", "timm")}
        },
        **{"second_forward": True, "test_margin": True},
        **{"reported": "best", "evaluations": 5, "evaluate_after": 0.8},
    },
    "edc": {
        **NOTHING,
        **ADAMW,
        **CUTMIX,
        **IMAGENET,
        **SHUFFLED,
        **{"labels": "soft", "loss": "mse_ce", "epochs": 300, "batch_size": 100, "ema": 0.99},
        # The script asks for a cosine, and an `else` too many replaces it by this.
        **{"schedule": "linear", "schedule_per": "epoch", "last_factor": 0.5},
        **{"label_dtype": "float16", "reported": "best running mean", "evaluations": 10},
    },
    "minimax_hard": {
        **NOTHING,
        **SGD,
        **CE,
        **CUTMIX,
        **{"epochs": 300, "batch_size": 64, "decay_vectors": True, "image_size": 224},
        **{"schedule": "step", "schedule_per": "epoch", "decay": 0.2, "milestones": [2 / 3, 5 / 6]},
        **{"crop": [0.5, 1.0], "jitter": 0.4, "lighting": 0.1},
        **{"reported": "best", "evaluations": 99},
    },
    "dc": {
        **NOTHING,
        **SGD,
        **CE,
        # Epochs 0 to 1000; the rate falls after number 501.
        **{"epochs": 1001, "batch_size": 256, "decay_vectors": True},
        **{"schedule": "step", "schedule_per": "epoch", "decay": 0.1, "milestones": [502 / 1001]},
        **{"dsa": "color_crop_cutout_flip_scale_rotate"},
    },
}
SOURCES["small_hard"] = {**SOURCES["small"], **CE}
SOURCES["fkd128"] = {**SOURCES["fkd"], "batch_size": 128}
SOURCES["rethinkdc_soft"] = {
    **SOURCES["fkd128"],
    **{"reported": "last", "evaluations": 0, "label_dtype": "float32"},
}
SOURCES["rethinkdc_hard"] = {**SOURCES["rethinkdc_soft"], **CE, "mix": "none", "temperature": 1.0}
SOURCES["mtt"] = SOURCES["dc_tiles"] = SOURCES["dc"]
SOURCES["mtt_zca"] = {**SOURCES["dc"], "whiten": "zca"}
# What the sources do that is no field of ours.
IN_WORDS = {
    "fkd": ["two halves", "512 images", "one seed for all runs", "D4M", "best of 7"],
    "fkd128": ["one seed for all runs"],
    "rded": ["CutMix writes in place", "CIFAR-100's ConvNet", "25 and 0.002", "batch norm"],
    "edc": ["one teacher", "best of 11", "one seed for all runs"],
    "minimax_hard": ["one epoch later", "full data, for 300 epochs and after each"],
    "dc": ["a new optimizer", "instance norm"],
}


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_is_the_sources_or_named_among_the_deviations(name: str):
    ours, source = PRESETS[name].key(), SOURCES[name]
    assert ours.keys() == source.keys()
    differing = {k for k in ours if ours[k] != source[k]}
    # Rates and batches that differ for one network and one data set only.
    of_one = {"batch_size", "lr"} if name == "rded" else set()
    named = set(re.findall(r"(\w+)=[^{]", PRESETS[name].deviations)) & ours.keys()
    assert named == differing | of_one


@pytest.mark.parametrize("name", PRESETS)
def test_what_no_field_says_is_said_in_words(name: str):
    said = PRESETS[name].deviations
    assert [words for words in IN_WORDS.get(name, []) if words not in said] == []
    assert bool(said) == (not name.startswith("small"))


@pytest.mark.parametrize(
    ("student", "lr"),
    [
        ("torchvision/vgg11", 5e-4),
        ("torchvision/efficientnet_b0", 2e-3),
        ("torchvision/mobilenet_v2", 2.5e-3),
        ("torchvision/vit_b_16", 1e-4),
        ("torchvision/swin_v2_t", 1e-4),
    ],
)
def test_rded_has_rates_for_single_students(student: str, lr: float):
    assert PRESETS["rded"].lr_of[student] == lr


def test_changes_one_after_another_leave_their_marks():
    at_once = preset("minimax_hard", epochs=300, lr=0.1)
    in_turn = preset("minimax_hard", epochs=300).change(lr=0.1)
    assert at_once == in_turn
    assert in_turn.id == "minimax_hard+epochs=300+lr=0.1"
    assert in_turn.on(1, 10).epochs == 300 != PRESETS["minimax_hard"].on(1, 10).epochs


@pytest.mark.parametrize(
    "changes",
    [
        {"dsa": "color_blur"},
        {"patches": 0},
        {"crop": [1.0, 0.5]},
        {"crop": [0.0, 1.0]},
        {"temperature": 0.0},
        {"label_top_k": -1},
        {"evaluations": -3},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object]):
    with pytest.raises(UsageError, match=next(iter(changes))):
        preset("small", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": [0.5, 1.0]},
        {"flip": True},
        {"jitter": 0.4},
        {"lighting": 0.1},
        {"dsa": "color"},
        {"mix": "mixup"},
        {"patches": 2},
    ],
)
def test_a_protocol_without_augmentation_is_known(changes) -> None:
    bare = preset("small", crop=None)
    augmented = bare.change(**changes)
    assert augmented.augments
    assert not bare.augments
    assert bare.is_unaugmented(augmented)
    assert not augmented.is_unaugmented(bare)
    assert not bare.change(lr=0.1).is_unaugmented(augmented)
