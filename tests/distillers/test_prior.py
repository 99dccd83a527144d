"""Is a raw sample a function of (seed, class, k), and of the recipe's decoder?"""

from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import keyed, recipe
from ddoq.data.conversion import as_bytes
from ddoq.distillers.prior import PriorSamples
from ddoq.errors import UsageError
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet

FEW = {"images_per_class": 3, "steps": 4}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def digits(cache: Path, *overrides: str) -> Run:
    return Run(recipe.read(["recipe=digits", f"cache={cache}", *overrides]).recipe)


def samples(run: Run, *, seed: int = 0, **settings: Any) -> SyntheticSet:
    return PriorSamples(**{**FEW, **settings}).distill(run.images, run, seed)


def difference(one: SyntheticSet, other: SyntheticSet) -> torch.Tensor:
    return (one.images.int() - other.images.int()).abs()


def test_another_block_size_changes_next_to_no_pixel(cache: Path):
    run = digits(cache)
    one, other = samples(run, block=4), samples(run, block=30)
    assert int(difference(one, other).max()) <= 1
    assert float((difference(one, other) > 0).float().mean()) <= 0.005


def test_a_sample_depends_on_seed_class_and_number_alone(cache: Path):
    run = digits(cache)
    few, many = samples(run, images_per_class=1), samples(run)
    assert int((few.images.int() - many.images[::3].int()).abs().max()) <= 1
    assert int(difference(samples(run, seed=1), many).max()) > 50


def test_it_is_the_pipelines_own_sampling_of_keyed_noise(cache: Path):
    """Diffusers' DDIM loop, written out, on the noise of (seed, class, k)."""
    run = digits(cache)
    made = samples(run, images_per_class=1, guidance=3.0, block=10)
    labels = run.prior.classes.labels(run.images.class_ids)
    x = keyed.normal(keyed.seed_of("decode", 0), torch.arange(10) * 2**24, (4, 4, 4))
    scheduler = run.prior.schedule.scheduler("ddim")
    scheduler.set_timesteps(4)
    with torch.inference_mode():
        for time in scheduler.timesteps:
            own, none = (
                run.prior.network.model(x, timestep=time.expand(10), class_labels=c).sample
                for c in (labels, torch.full((10,), run.prior.null_label))
            )
            x = scheduler.step(none + 3.0 * (own - none), time, x).prev_sample
        expected = as_bytes(run.autoencoder.decode(x))
    assert int((made.images.int() - expected.int()).abs().max()) <= 1


def test_the_recipes_points_and_strength_change_no_sample(cache: Path):
    run, other = digits(cache), digits(cache, "decoder.strength=0.9", "weighting=mass")
    assert PriorSamples().stages(run, 0) == PriorSamples().stages(other, 0)
    assert [p.stage.name for p in PriorSamples().stages(run, 0)] == ["decoded"]


def test_settings_are_those_of_the_recipes_decoder_where_it_is_the_same(cache: Path):
    def used(run: Run, **settings: Any) -> dict[str, Any]:
        return PriorSamples(**settings).decoded_key(run, 0)["decoder"]

    common = {
        **{"name": "dit", "start": "noise", "scheduler": None, "interval": [0.0, 1.0]},
        **{"prompt": "{}", "negative_prompt": None},
    }
    assert used(digits(cache)) == {**common, "steps": 20, "guidance": 1.5, "block": 10}
    own = {**common, "steps": 50, "guidance": 4.0, "block": 16}
    assert used(digits(cache, "decoder=plain")) == own
    assert used(digits(cache), steps=7, guidance=0.0)["steps"] == 7
    assert used(digits(cache), guidance=0.0)["guidance"] == 0.0


def test_samples_weigh_the_same_and_are_labeled_by_class(cache: Path):
    made = samples(digits(cache))
    assert made.weights.tolist() == [1.0] * 30
    assert made.labels.tolist() == torch.arange(10).repeat_interleave(3).tolist()
    assert made.columns["sample"] == [0, 1, 2] * 10
    assert made.provenance["distiller"] == "prior"


def test_classes_weigh_their_share_of_the_images_if_asked_for(cache: Path):
    run = digits(cache)
    made = samples(run, class_prior="data")
    totals = torch.zeros(10).double().index_add(0, made.labels, made.weights.double())
    counts = run.images.counts.double()
    torch.testing.assert_close(totals, 30 * counts / counts.sum())


def test_a_budget_is_spread_over_the_classes(cache: Path):
    made = samples(digits(cache), budget=23)
    assert made.labels.bincount().tolist() == [3] * 3 + [2] * 7
    totals = torch.zeros(10).double().index_add(0, made.labels, made.weights.double())
    torch.testing.assert_close(totals, torch.full((10,), 2.3).double())


def test_the_teacher_knows_the_samples_of_each_class(cache: Path):
    run = digits(cache)
    made = samples(run, images_per_class=10, steps=20)
    found = run.teacher(made.images.float() / 255).argmax(1)
    assert float((found == made.labels).float().mean()) > 0.9


def test_finished_samples_come_from_the_cache_and_need_no_latents(cache: Path):
    samples(digits(cache))
    again = digits(cache)
    samples(again)
    assert [(r.stage, r.cached) for r in again.records] == [("decoded", True)]


def test_no_samples_are_refused(cache: Path):
    with pytest.raises(UsageError, match="images_per_class=0"):
        samples(digits(cache), images_per_class=0)
