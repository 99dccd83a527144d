"""The figures of sets whose figures are known."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddoq import keyed, recipe
from ddoq.distillers.random import Random
from ddoq.evaluation.grid import Draw, Grid
from ddoq.pushforward.distance import Distance
from ddoq.pushforward.figures import Figures, compared, encoded_again, figures_of
from ddoq.pushforward.judge import judge_of
from ddoq.pushforward.pushforward import w2_points
from ddoq.pushforward.real import real_of
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cache = tmp_path_factory.mktemp("cache")
    return Run(recipe.read(["recipe=digits", f"cache={cache}"]).recipe)


def figures(run: Run, synthetic: SyntheticSet) -> Figures:
    judge = judge_of(run, is_used=True)
    return figures_of(run, synthetic, real_of(run, judge), judge, encodes=True)


def test_random_training_images_are_copies_of_training_images(run: Run):
    found = figures(run, Random(images_per_class=5).distill(run.images, run, 0))
    assert found.pixels is not None
    assert (found.pixels.ratio, found.pixels.share, found.of_training) == (0, 1, 1)
    assert found.features is not None
    # A batch of another size is summed in another order.
    assert found.features.ratio == pytest.approx(0, abs=1e-4)
    assert found.precision == 1
    assert found.recall is not None
    assert 0.5 < found.recall < 1
    assert found.kid is not None
    assert found.kid.error is not None
    assert abs(found.kid.value) < 3 * found.kid.error


def test_inverted_images_are_far_from_real_ones_in_all_figures(run: Run):
    drawn = Random(images_per_class=5).distill(run.images, run, 0)
    real, found = figures(run, drawn), figures(run, replace(drawn, images=255 - drawn.images))
    assert found.pixels is not None
    assert found.pixels.ratio is not None
    assert found.pixels.ratio > 2
    assert (found.pixels.share, found.of_training) == (0, 0)
    assert found.in_class is not None
    assert found.in_class < 0.5
    for far, near in ((found.kid, real.kid), (found.w2_uniform, real.w2_uniform)):
        assert far is not None
        assert near is not None
    assert found.kid is not None
    assert real.kid is not None
    assert found.kid.value > 3 * abs(real.kid.value)
    assert found.w2_uniform is not None
    assert real.w2_uniform is not None
    assert found.w2_uniform.lower > 2 * real.w2_uniform.upper


def test_training_images_encoded_again_have_the_latents_of_the_store(run: Run):
    index, latents = run.latents.index(4), run.latents.latents(4).float()
    again = encoded_again(run, run.images.pixels("train")[index])
    torch.testing.assert_close(again, latents, rtol=2e-3, atol=2e-3)


def test_images_that_are_the_points_have_the_w2_of_the_points(tmp_path: Path):
    """Pixels are the latents and masses the weights, so only the rounding to 8 bits differs."""
    words = ["autoencoder=identity", "decoder=plain", "weighting=mass", "evaluation.baselines=[]"]
    size = ["distiller.images_per_class=6", "distiller.folds=0", "evaluation.decoders=[]"]
    run = Run(recipe.read(["recipe=digits", *words, *size, f"cache={tmp_path}"]).recipe)
    synthetic = Grid.of(run).drawn(Draw(0, 0))
    found, points = figures(run, synthetic), w2_points(synthetic)
    assert points is not None
    assert found.w2_weights is not None
    assert found.w2_weights.upper == pytest.approx(points.upper, rel=1e-3)
    assert found.w2_uniform is not None
    assert found.w2_uniform.lower > found.w2_weights.upper


def test_one_image_per_class_has_no_pairs_and_no_neighbors(run: Run):
    found = figures(run, Random(images_per_class=1).distill(run.images, run, 0))
    assert (found.kid, found.recall, found.fid) == (None, None, None)


def test_figures_are_read_as_they_were_written(run: Run, tmp_path: Path):
    drawn = Random(images_per_class=5).distill(run.images, run, 0)
    assert figures(run, drawn) == figures(run, drawn)
    assert isinstance(figures(run, drawn).w2_uniform, Distance)


def test_ten_thousand_images_have_a_fid():
    """Variances 1 and 4, means 3 apart in each of two dimensions: 2 (9 + 1 + 4 - 2 * 2)."""
    labels = torch.arange(10_000) % 2
    real, drawn = (keyed.normal(i, torch.arange(10_000), (2,)) for i in (1, 2))
    assert compared(real, 2 * drawn + 3, labels, labels)["fid"] == pytest.approx(20, rel=0.05)
    part = labels[1:]
    assert "fid" not in compared(real[1:], 2 * drawn[1:] + 3, part, part)
