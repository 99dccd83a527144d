"""Under whiten=zca, is everything whitened once, and nothing normalized?"""

import pytest
import torch

import ddoq
from ddoq import recipe
from ddoq.data.whitening import whitening
from ddoq.errors import UsageError
from ddoq.evaluation.measure import measured
from ddoq.evaluation.training import Training, feed_of, training_key
from ddoq.protocols.presets import PRESETS
from ddoq.run import Run

STUDENT = {"name": "convnet", "depth": 1, "width": 8}


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(recipe.read(["recipe=digits", "cache=white"]).recipe)


def training(run: Run, **changes: object) -> Training:
    protocol = PRESETS["mtt_zca"].change(epochs=2, **changes)
    some = run.images.subset(torch.arange(40))
    return Training(some, run.recipe.students[0], protocol, 0)


def test_a_step_holds_whitened_images_and_the_test_images_are_whitened_too(run: Run):
    pixels = run.images.pixels("train") / 255
    zca = whitening([pixels], 64)
    step = feed_of(run, training(run, dsa="")).batch(0)
    expected = zca.forward(pixels[:40])[step_order(run)]
    torch.testing.assert_close(step.images, expected, atol=1e-5, rtol=1e-4)
    tested = torch.cat([x for x, _ in measured(run, training(run).protocol)])
    expected = zca.forward(run.images.pixels("test") / 255)
    torch.testing.assert_close(tested, expected, atol=1e-5, rtol=1e-4)


def step_order(run: Run) -> torch.Tensor:
    return feed_of(run, training(run, dsa="")).chosen(0)


def test_dsa_changes_whitened_images_and_pads_them_with_zero(run: Run):
    feed = feed_of(run, training(run, dsa="cutout"))
    step = feed.batch(0).images
    assert (step == 0).flatten(1).sum(1).min() >= 4
    kept = step != 0
    plain = feed_of(run, training(run, dsa="")).batch(0).images
    torch.testing.assert_close(step[kept], plain[kept], atol=1e-5, rtol=1e-4)


def test_the_set_is_learned_and_its_rate_is_part_of_the_key(run: Run):
    how = {"protocol": {"name": "mtt_zca", "epochs": 60}, "seeds": 1, "baselines": []}
    some = run.images.subset(torch.cat([run.images.train.of_class(c)[:5] for c in range(10)]))
    [result] = ddoq.evaluate(some, students=[STUDENT], overrides=["cache=white"], **how)
    assert result.top1 > 0.5
    assert "whitening" in training_key(run, training(run))


def test_a_protocol_without_whitening_has_the_key_that_it_had():
    assert PRESETS["mtt"].key() == PRESETS["dc"].key()
    assert PRESETS["mtt"].hinted({"lr": 0.02}).lr == 0.02


@pytest.mark.parametrize(
    "changes",
    [{"flip": True}, {"crop": [0.5, 1.0]}, {"mix": "cutmix"}, {"labels": "soft", "loss": "kl"}],
)
def test_what_would_act_before_whitening_is_refused(changes: dict[str, object]):
    with pytest.raises(UsageError, match="whiten=zca"):
        PRESETS["mtt_zca"].change(**changes)
