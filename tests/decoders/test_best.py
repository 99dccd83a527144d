"""Is the best of several images kept, and a single one the decoder's own?"""

from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.autoencoders.identity import Identity
from ddoq.decoders.best import Best
from ddoq.decoders.plain import Plain
from ddoq.errors import UsageError
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

DECODER: dict[str, Any] = {"name": "dit", "steps": 6, "strength": 0.9, "guidance": 1.5}


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(recipe.read(["recipe=digits"]).recipe)


@pytest.fixture
def block(run: Run) -> PointBlock:
    points = torch.stack([run.latents.latents(c).float().mean(0) for c in range(10)])
    return PointBlock(points, torch.arange(10), torch.arange(10))


def decoded(run: Run, block: PointBlock, settings: dict[str, Any]) -> torch.Tensor:
    with torch.inference_mode():
        return run.make("decoder", settings, seed=1).decode(block)


@pytest.mark.parametrize("name", ["confident", "closest"])
def test_one_attempt_is_the_decoders_own_image(run: Run, block: PointBlock, name: str):
    one = decoded(run, block, {"name": name, "decoder": DECODER, "number": 1})
    assert torch.equal(one, decoded(run, block, DECODER))


def test_more_attempts_never_make_the_teacher_less_sure(run: Run, block: PointBlock):
    def sure(number: int) -> torch.Tensor:
        how = {"name": "confident", "decoder": DECODER, "number": number}
        logits = run.teacher(decoded(run, block, how).clamp(0, 1))
        return logits.softmax(1).gather(1, block.labels[:, None])[:, 0]

    one, four = sure(1), sure(4)
    assert bool((four >= one - 1e-6).all())
    assert float(four.mean()) > float(one.mean())


def test_more_attempts_never_lead_farther_from_the_point(run: Run, block: PointBlock):
    def far(number: int) -> torch.Tensor:
        images = decoded(run, block, {"name": "closest", "decoder": DECODER, "number": number})
        return (run.autoencoder.encode(images.clamp(0, 1)) - block.points).flatten(1).norm(dim=1)

    one, four = far(1), far(4)
    assert bool((four <= one + 1e-5).all())
    assert float(four.mean()) < float(one.mean())


def test_what_reads_the_teacher_has_it_in_its_key(run: Run):
    nearest = run.make("distiller", decoder={"name": "closest", "decoder": DECODER}, weighting={})
    sure = run.make("distiller", decoder={"name": "confident", "decoder": DECODER}, weighting={})
    assert nearest.parts(run) == ["autoencoder", "prior"]
    assert sure.parts(run) == ["autoencoder", "prior", "teacher"]


def test_a_class_that_is_guided_as_a_whole_has_no_best_image(run: Run):
    guided = {**DECODER, "guide": {"name": "transport"}}
    with pytest.raises(UsageError, match="cannot be chosen alone"):
        run.make("decoder", {"name": "closest", "decoder": guided})


def test_an_attempt_that_fails_does_not_hide_one_that_does_not(block: PointBlock):
    class Broken(Plain):
        def decode(self, block: PointBlock) -> torch.Tensor:
            return super().decode(block) * torch.nan

    decoders = [d(Identity(), block=10) for d in (Broken, Plain, Broken)]
    latents = PointBlock(torch.rand(10, 1, 8, 8), block.labels, block.ranks)
    best = Best(decoders, lambda images, _: images.flatten(1).sum(1)).decode(latents)
    assert torch.equal(best, Plain(Identity(), block=10).decode(latents))


@pytest.mark.parametrize("name", ["confident", "closest"])
def test_the_size_of_a_block_is_nothing_that_images_depend_on(
    run: Run, block: PointBlock, name: str
):
    def best(size: int) -> torch.Tensor:
        within = {"name": name, "number": 2, "decoder": {**DECODER, "block": size}}
        return decoded(run, block, {"name": name, "decoder": within, "number": 2})

    assert torch.equal(best(5), best(10))


def test_a_prior_of_another_size_has_a_closest_image_too(tmp_path: Path):
    """Pictures of 16 pixels, and a prior that draws 32."""
    few = "data={name: glyphs, image_size: 16, train: 20, val: 10, test: 10}"
    run = Run(recipe.read(["recipe=glyphs", few, f"cache={tmp_path}"]).recipe)
    points = torch.rand(2, 3, 16, 16)
    pair = PointBlock(run.autoencoder.encode(points), torch.arange(2), torch.arange(2))
    unet = {"name": "unet", "steps": 3, "scheduler": "dpm"}
    images = decoded(run, pair, {"name": "closest", "number": 2, "decoder": unet})
    assert images.shape == (2, 3, 32, 32)


def test_attempts_within_attempts_all_differ(run: Run, block: PointBlock):
    """Nested or not, and for however many attempts, no two draw the same noise."""
    inner = {"name": "closest", "decoder": DECODER, "number": 3}
    nested = run.make("decoder", {"name": "closest", "decoder": inner, "number": 3}, seed=1)
    leaves = [leaf for best in nested._decoders for leaf in best._decoders]
    noises = torch.stack([leaf._noise(block, (2,)) for leaf in leaves]).flatten()
    assert len(leaves) == 9
    assert len(noises.unique()) == noises.numel()
