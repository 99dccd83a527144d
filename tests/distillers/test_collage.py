"""Collages: does a set of small images hold its start's images, weights and classes?"""

from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.data.conversion import as_bytes, as_floats
from ddoq.errors import UsageError
from ddoq.evaluation.grid import Draw, Grid
from ddoq.experiment import experiment
from ddoq.parameterizations.tiles import folded
from ddoq.priors.quality import in_class
from ddoq.pushforward.pushforward import push_forward
from ddoq.run import Run

WORDS = ["recipe=digits", "decoder=plain", "evaluation.seeds=1", "evaluation.decoders=[]"]
TILES = "protocols=[{name: small_hard, steps: 2, uses_hints: [tiles]}]"
COLLAGE = ["distiller=collage", "distiller.images_per_class=2"]


def grid_of(folder: Path, *overrides: str) -> Grid:
    places = [f"cache={folder / 'cache'}", f"out={folder / 'out'}"]
    return Grid.of(Run(recipe.read([*WORDS, TILES, *overrides, *places]).recipe))


def test_four_images_stand_in_the_place_of_one(tmp_path: Path):
    found = grid_of(tmp_path, *COLLAGE, "distiller.start={name: ddoq, folds: 0}").drawn(Draw(0, 0))
    of = grid_of(tmp_path, "distiller={name: ddoq, folds: 0}", "distiller.images_per_class=8")
    start = of.drawn(Draw(0, 0))
    assert (len(found), len(start), found.hints) == (20, 80, {"tiles": 2})
    assert found.images.dtype == torch.uint8
    assert found.images.shape == (20, 1, 8, 8)
    for label in range(10):
        mine, own = found.labels == label, start.labels == label
        order = start.weights[own].argsort(descending=True, stable=True)
        images, weights = start.images[own][order], start.weights[own][order]
        assert torch.equal(found.images[mine], as_bytes(folded(as_floats(images), 2)))
        assert torch.allclose(found.weights[mine].double(), weights.double().reshape(2, 4).mean(1))
    # A tile that is cut out is its image, made small and large again.
    first = found.unfolded(2).images[0]
    heaviest = start.weights[:8].argmax()
    whole = float(as_floats(start.images[heaviest]).mean())
    assert float(first.mean()) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("start", ["random", "herding", "noise"])
def test_any_other_set_can_be_made_small(start: str, tmp_path: Path):
    grid = grid_of(tmp_path, *COLLAGE, f"distiller.start={start}")
    assert grid.drawn(Draw(0, 0)).unfolded(2).labels.bincount().tolist() == [8] * 10


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["protocols=[small]"], "each image of the set is 2 x 2 smaller ones"),
        (["distiller.factor=3"], "cannot be cut into 3 x 3 equal tiles"),
        (["distiller.start=full"], "keeps all images"),
    ],
)
def test_what_cannot_be_a_collage_is_refused_before_any_work(
    wrong: list[str], why: str, tmp_path: Path
):
    places = [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]
    words = [*WORDS, TILES, *places, *COLLAGE, *wrong]
    with pytest.raises(UsageError, match=why):
        experiment(recipe.read(words))
    assert not (tmp_path / "cache").exists()


def test_rows_are_told_apart_by_their_starts(tmp_path: Path):
    others = "evaluation.distillers=[{name: collage, start: random}]"
    grid = grid_of(tmp_path, *COLLAGE, others, "evaluation.baselines=[]")
    names = [entry.labels["distiller"] for entry in grid.rows]
    assert names == ["collage", "collage(start=random)"]


def test_the_figures_are_those_of_the_tiles(tmp_path: Path):
    grid = grid_of(tmp_path, *COLLAGE, "distiller.start=random", "evaluation.baselines=[random]")
    collages, whole = push_forward(grid).sets
    assert (collages.images, whole.images) == (20, 20)
    tiles = grid.drawn(Draw(0, 0)).unfolded(2)
    share = in_class(grid.run.teacher, as_bytes(tiles.images), tiles.labels)
    assert collages.figures.in_class == pytest.approx(share)
