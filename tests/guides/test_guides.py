"""Do guides move predicted images where they should, and not at all at strength 0?"""

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.decoders.decoding import decode, read_images
from ddoq.distillers.points import Points
from ddoq.errors import UsageError
from ddoq.guides.guide import Targets
from ddoq.guides.mode import ModeGuide
from ddoq.guides.transport import TransportGuide
from ddoq.processes.world import World
from ddoq.quantize.blocks import PointBlock
from ddoq.quantize.functional import squared_distances
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.transport import w2_squared
from ddoq.run import Run

HOW: dict[str, Any] = {"name": "dit", "steps": 15, "guidance": 1.5, "start": "noise", "block": 64}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cache = f"cache={tmp_path_factory.mktemp('cache')}"
    return Run(recipe.read(["recipe=digits", cache, "distiller.images_per_class=6"]).recipe)


@pytest.fixture(scope="module")
def points(run: Run) -> Quantization:
    distiller = run.make("distiller", decoder={"name": "plain"}, weighting={"name": "root"})
    of_seed = distiller.points(run, 0)
    assert isinstance(of_seed, Points)
    return of_seed.quantization


def images(run: Run, points: Quantization, work: Path, **settings: Any) -> torch.Tensor:
    work.mkdir()
    decode(points, run.make("decoder", {**HOW, **settings}), work, image_size=8, world=World())
    return read_images(work)


@pytest.mark.parametrize(
    "guide", [{"name": "mode", "strength": 0.0}, {"name": "transport", "weight": 0.0}]
)
def test_no_strength_is_no_guide_bit_for_bit(
    run: Run, points: Quantization, tmp_path: Path, guide: dict[str, Any]
):
    block = {"block": 6}
    unguided = images(run, points, tmp_path / "a", **block)
    assert torch.equal(images(run, points, tmp_path / "b", guide=guide, **block), unguided)


def test_mode_guidance_moves_a_share_of_the_way_and_ends():
    clean, targets = torch.zeros(2, 1, 2, 2), Targets(torch.ones(2, 1, 2, 2))
    guide = ModeGuide(strength=0.25, stop=0.5)
    assert torch.equal(guide(clean, targets, 0.49), torch.full_like(clean, 0.25))
    assert torch.equal(guide(clean, targets, 0.5), clean)


def test_mode_guidance_brings_images_nearer_to_their_points(
    run: Run, points: Quantization, tmp_path: Path
):
    raw = images(run, points, tmp_path / "a")
    drawn = images(
        run, points, tmp_path / "b", guide={"name": "mode", "strength": 0.3, "stop": 0.8}
    )

    def distance(x: torch.Tensor) -> torch.Tensor:
        return (run.autoencoder.encode(x / 255) - points.points).flatten(1).square().sum(1)

    assert float(distance(drawn).mean()) < 0.6 * float(distance(raw).mean())


def test_transport_lowers_w2_to_the_weighted_points_in_every_class(
    run: Run, points: Quantization, tmp_path: Path
):
    raw = images(run, points, tmp_path / "a")
    drawn = images(run, points, tmp_path / "b", guide={"name": "transport"})

    def w2(x: torch.Tensor, label: int) -> float:
        own = points.labels == label
        latents = run.autoencoder.encode(x[own] / 255).flatten(1)
        costs = squared_distances(latents.double(), points.points[own].flatten(1).double())
        return w2_squared(costs, points.masses[own])

    for label in range(10):
        assert w2(drawn, label) < w2(raw, label)


def test_padding_and_images_already_made_do_not_move_others_by_their_own_pull():
    clean, of_class = torch.randn(4, 1, 2, 2), torch.randn(3, 1, 2, 2)
    masses = torch.tensor([0.5, 0.3, 0.2])
    guide = TransportGuide()
    whole = guide(clean, Targets(clean, of_class, masses), 0.5)
    padded = Targets(clean, of_class, masses, num=2, made=clean[2:])
    half = guide(clean, padded, 0.5)
    assert torch.allclose(half[:2], whole[:2], atol=1e-5)
    assert torch.equal(half[2:], clean[2:])


def test_images_near_points_are_shared_out_by_masses():
    """Images that begin at their points, equally many each, have far to go."""
    points, masses = torch.randn(4, 1024), torch.tensor([0.55, 0.25, 0.15, 0.05])
    clean = points.repeat_interleave(5, 0) + 0.7 * torch.randn(20, 1024)
    guide = TransportGuide()
    for _ in range(50):
        clean = guide(clean, Targets(clean, points, masses), 0.0)
    assert torch.cdist(clean, points).argmin(1).bincount().tolist() == [11, 5, 3, 1]


def test_a_point_without_mass_is_left_out():
    clean, of_class = torch.randn(4, 1, 2, 2), torch.randn(3, 1, 2, 2)
    masses = torch.tensor([0.6, 0.4, 0.0])
    without = TransportGuide()(clean, Targets(clean, of_class[:2], masses[:2]), 0.5)
    assert torch.allclose(TransportGuide()(clean, Targets(clean, of_class, masses), 0.5), without)


def test_a_class_is_encoded_in_parts_of_a_block(
    run: Run, points: Quantization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sizes: list[int] = []
    encode, decode = run.autoencoder.encode, run.autoencoder.decode
    monkeypatch.setattr(
        run.autoencoder, "encode", lambda x, noise=None: sizes.append(len(x)) or encode(x, noise)
    )
    monkeypatch.setattr(run.autoencoder, "decode", lambda x: sizes.append(len(x)) or decode(x))
    images(run, points, tmp_path / "a", guide={"name": "transport"}, block=2, steps=1)
    assert set(sizes) == {2}


@pytest.mark.parametrize("returned", ["None", "clean.mean()"])
def test_what_a_users_guide_returns_is_checked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: str
):
    code = f"def __call__(self, clean, targets, done):\n        return {returned}\n"
    (tmp_path / "ownguide.py").write_text(f"class G:\n    guides_classes = False\n    {code}")
    monkeypatch.syspath_prepend(tmp_path)
    decoder = run.make("decoder", {**HOW, "guide": {"name": "ownguide:G"}})
    zero = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(UsageError, match="the guide returned"):
        decoder.decode(PointBlock(torch.zeros(1, 4, 4, 4), zero, zero))
    sys.modules.pop("ownguide")


def test_the_guide_of_the_docs_works_word_for_word(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    docs = (Path(__file__).parents[2] / "docs" / "decoders.md").read_text()
    code = docs.split("    # mine.py\n")[1].split("\n\n    python")[0]
    (tmp_path / "mineguide.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(tmp_path)
    block = {**HOW, "guide": {"name": "mineguide:Halfway", "until": 0.5}}
    zero = torch.zeros(1, dtype=torch.int64)
    points = PointBlock(torch.zeros(1, 4, 4, 4), zero, zero)
    guided, free = (run.make("decoder", b).decode(points) for b in (block, HOW))
    assert not torch.equal(guided, free)
