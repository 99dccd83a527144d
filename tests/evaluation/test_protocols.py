import dataclasses

import pytest

from ddoq.errors import UsageError
from ddoq.evaluation import PROTOCOLS
from ddoq.evaluation.protocols import PRESETS, Protocol


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_known_by_its_own_name(name: str):
    assert Protocol.preset(name).id == name
    assert name in PROTOCOLS


def test_the_table_of_protocols_names_no_others():
    assert set(PROTOCOLS) == set(PRESETS)


def test_a_change_becomes_part_of_the_id():
    changed = Protocol.preset("small", steps=9, lr=0.1)
    assert changed.id == "small+lr=0.1+steps=9"
    assert (changed.steps, changed.lr) == (9, 0.1)


def test_what_is_set_to_its_own_value_is_no_change():
    same = Protocol.preset("small", steps=PRESETS["small"].steps)
    assert same == PRESETS["small"]


def test_a_preset_is_not_changed_by_its_changes():
    before = dataclasses.asdict(PRESETS["fkd"])
    Protocol.preset("fkd", epochs=1)
    assert dataclasses.asdict(PRESETS["fkd"]) == before


@pytest.mark.parametrize("changes", [{"epochs": 3}, {"steps": None}])
def test_a_length_is_given_in_exactly_one_way(changes: dict[str, object]):
    with pytest.raises(UsageError, match="exactly one of the two"):
        Protocol.preset("small", **changes)


@pytest.mark.parametrize("changes", [{"labels": "hard"}, {"loss": "ce"}])
def test_labels_and_loss_must_go_together(changes: dict[str, object]):
    with pytest.raises(UsageError, match="labels="):
        Protocol.preset("small", **changes)


@pytest.mark.parametrize(("num_images", "steps"), [(1, 300), (1024, 300), (1025, 600)])
def test_epochs_count_their_last_smaller_batch(num_images: int, steps: int):
    assert PRESETS["fkd"].num_steps(num_images) == steps


def test_steps_do_not_depend_on_the_number_of_images():
    assert PRESETS["small"].num_steps(1) == PRESETS["small"].num_steps(10**6)


def test_fkd_is_as_published():
    fkd = PRESETS["fkd"]
    assert (fkd.loss, fkd.temperature, fkd.epochs, fkd.batch_size) == ("kl", 20.0, 300, 1024)
    assert (fkd.optimizer, fkd.lr, fkd.weight_decay) == ("adamw", 1e-3, 0.01)
    assert (fkd.mix, fkd.mix_per, fkd.crop, fkd.flip) == ("cutmix", "batch", [0.08, 1.0], True)


def test_minimax_is_as_published():
    minimax = PRESETS["minimax_hard"]
    assert (minimax.labels, minimax.epochs, minimax.batch_size) == ("hard", 2000, 64)
    assert (minimax.optimizer, minimax.lr, minimax.weight_decay) == ("sgd", 0.01, 5e-4)
    assert (minimax.schedule, minimax.decay, minimax.milestones) == ("step", 0.2, [2 / 3, 5 / 6])
