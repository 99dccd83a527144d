"""Are points found among inverted latents, and decoded from there?"""

from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.decoders.inverted import Inversion
from ddoq.errors import UsageError
from ddoq.experiment import experiment
from ddoq.pushforward.pushforward import w2_points
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.run import Run

DECODER = {"name": "dit", "start": "noisy", "steps": 10, "strength": 0.6, "guidance": 1.0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache: Path) -> Run:
    return Run(recipe.read(["recipe=digits", f"cache={cache}"]).recipe)


def distiller(run: Run, decoder: dict[str, Any] = DECODER, **settings: Any) -> Any:
    block = {"name": "ddoq", "space": "inverted", "images_per_class": 3, "folds": 0, **settings}
    return run.make(
        "distiller",
        complete(KINDS, "distiller", block),
        decoder=complete(KINDS, "decoder", decoder),
        weighting={"name": "root"},
    )


def test_inverted_latents_are_nearly_noise_and_lead_back(run: Run):
    deep = run.inverting(Inversion(steps=50, strength=1.0, scheduler=None)).latents
    pooled = torch.cat([deep.latents(c) for c in range(10)])
    assert float(pooled.std()) == pytest.approx(1, abs=0.25)
    clean = torch.cat([run.latents.latents(c).float() for c in range(10)])
    assert torch.equal(deep.index(4), run.latents.index(4))
    assert not torch.allclose(pooled, clean, atol=0.5)


def test_batches_that_do_not_fit_are_halved(run: Run, monkeypatch: pytest.MonkeyPatch):
    whole = run.inverting(Inversion(steps=3, strength=0.6, scheduler=None)).latents
    output, told, sizes = run.prior.output, run.prior.conditions, set[int]()
    conditions: list[Any] = []

    def small(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(x) > 40:
            raise torch.OutOfMemoryError
        sizes.add(len(x))
        return output(x, *rest)

    monkeypatch.setattr(run.prior, "output", small)
    monkeypatch.setattr(run.prior, "conditions", lambda *a: conditions.append(a) or told(*a))
    again = run.inverting(Inversion(steps=3, strength=0.61, scheduler=None)).latents
    assert max(sizes) <= 40
    assert len(conditions) == 1
    for label in range(10):
        torch.testing.assert_close(again.latents(label), whole.latents(label), atol=1e-4, rtol=0)


def test_the_set_is_made_of_points_among_them(run: Run):
    made = distiller(run)
    where = run.inverting(Inversion(steps=10, strength=0.6, scheduler=None))
    synthetic = made.distill(run.images, run, 0)
    assert len(synthetic) == 30
    assert made.points(run, 0).key()["latents"] == where.latents_key
    names = [p.stage.name for p in made.stages(run, 0)]
    assert names == ["latents", "inverted", "quantization", "decoded"]


def test_their_distances_do_not_stand_beside_those_of_images(run: Run):
    """Its certificates state W2 among inverted latents; that of images is among clean ones."""
    synthetic = distiller(run).distill(run.images, run, 0)
    assert synthetic.provenance["certificates"]
    assert w2_points(synthetic) is None


def test_a_single_point_of_a_class_stays_at_its_mean(run: Run):
    made = distiller(run, images_per_class=1)
    synthetic = made.distill(run.images, run, 0)
    torch.testing.assert_close(synthetic.latents, made.points(run, 0).quantization.points)


def test_points_lie_as_far_from_the_mean_as_latents_do(run: Run):
    made = distiller(run)
    synthetic = made.distill(run.images, run, 0)
    store = run.inverting(Inversion(steps=10, strength=0.6, scheduler=None)).latents
    latents = store.latents(2)
    center = latents.mean(0)
    expected = (latents - center).flatten(1).square().sum(1).mean().sqrt()
    assert synthetic.latents is not None
    own = synthetic.latents[synthetic.labels == 2]
    torch.testing.assert_close((own - center).flatten(1).norm(dim=1), expected.expand(3))


def test_the_teacher_knows_what_is_decoded(run: Run):
    made = distiller(run, images_per_class=10).distill(run.images, run, 0)
    found = run.teacher(made.images / 255).argmax(1)
    assert float((found == made.labels).float().mean()) > 0.8


def test_the_clean_latents_are_another_key(run: Run):
    deep = run.inverting(Inversion(steps=50, strength=1.0, scheduler=None))
    assert deep.latents_key != run.latents_key
    assert run.latents.folder != deep.latents.folder


@pytest.mark.parametrize("decoder", [{"name": "plain"}, {**DECODER, "start": "renoise"}])
def test_a_decoder_that_does_not_start_there_is_refused(run: Run, decoder: dict[str, Any]):
    with pytest.raises(UsageError, match="does not start there"):
        distiller(run, decoder).distill(run.images, run, 0)


def test_a_further_decoder_that_does_not_start_there_is_refused_before_any_work(tmp_path: Path):
    words = ["recipe=digits", "distiller.space=inverted", "decoder.start=noisy", "decoder.steps=40"]
    with pytest.raises(UsageError, match="decoder plain does not start there"):
        experiment(recipe.read([*words, f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]))
    assert not list(tmp_path.iterdir())


def test_a_decoder_that_chooses_among_images_starts_where_its_own_does(run: Run):
    chosen = {"name": "closest", "decoder": DECODER, "number": 2}
    assert distiller(run, chosen).points(run, 0).key() == distiller(run).points(run, 0).key()


def test_too_little_strength_for_a_step_is_refused(run: Run):
    with pytest.raises(UsageError, match="below one step"):
        distiller(run, {**DECODER, "strength": 0.05}).points(run, 0)


def test_a_shrinkage_that_would_be_undone_is_refused(run: Run):
    with pytest.raises(UsageError, match="has no effect with space=inverted"):
        distiller(run, shrinkage="mean", strength=2.0)


def test_the_prior_is_loaded_once(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fresh = Run(recipe.read(["recipe=digits", f"cache={tmp_path}"]).recipe)
    loaded: list[str] = []
    make = Run.make

    def noted(self: Run, kind: str, *rest: Any, **more: Any) -> Any:
        loaded.append(kind)
        return make(self, kind, *rest, **more)

    monkeypatch.setattr(Run, "make", noted)
    distiller(fresh, images_per_class=2).distill(fresh.images, fresh, 5)
    assert loaded.count("prior") == 1
