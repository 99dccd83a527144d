"""Is the loss on validation images that of the averaged weights, and the same every time?"""

import dataclasses
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.files.tensors import read_tensors
from ddoq.priors.examples import of_validation
from ddoq.priors.nets import unet
from ddoq.priors.objectives import flow
from ddoq.priors.pretrain import PriorPretraining
from ddoq.priors.training import PriorTraining
from ddoq.priors.validation import validation_loss
from ddoq.run import Run

SMALL = {"width": 8, "multipliers": (1, 1), "blocks": 1, "attention": (), "dropout": 0.5}
PIXELS = [
    "prior=unet",
    "prior.source=pretrain",
    "pretrain.prior={net: {name: unet, width: 8, multipliers: [1, 1], blocks: 1}, space: pixels}",
    *("pretrain.prior.steps=6", "pretrain.prior.samples=0", "pretrain.prior.validations=3"),
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(recipe.read(["recipe=digits", *PIXELS, f"cache={tmp_path}"]).recipe)


@pytest.fixture
def training() -> PriorTraining:
    torch.manual_seed(0)
    return PriorTraining(unet((1, 8, 8), 10, **SMALL), flow(), PriorPretraining(), seed=0)


def test_the_averaged_weights_are_measured_without_dropout(run: Run, training: PriorTraining):
    feed = of_validation(run, "pixels", batch_size=100)
    assert feed is not None
    first = validation_loss(training.train(), feed)
    with torch.no_grad():
        for p in training.model.parameters():
            p.fill_(7.0)
    assert torch.equal(validation_loss(training.train(), feed), first)


def test_a_network_of_zeros_has_the_flow_loss_of_unit_noise_and_the_images(run: Run, training):
    """E |noise - clean|^2 = 1 + E clean^2, at every time."""
    feed = of_validation(run, "pixels", batch_size=1024)
    for p in training.average.module.conv_out.parameters():
        torch.nn.init.zeros_(p)
    expected = 1 + feed.batch(0)[0].square().mean()
    assert float(validation_loss(training, feed)) == pytest.approx(float(expected), rel=0.02)


def test_two_ranks_measure_what_one_does(run: Run, training: PriorTraining):
    feed = of_validation(run, "pixels", batch_size=101)
    assert feed is not None
    parts = [dataclasses.replace(feed, rank=r, world_size=2) for r in (0, 1)]
    both = sum(validation_loss(training, part) for part in parts)
    assert float(both) == pytest.approx(float(validation_loss(training, feed)), rel=1e-5)


def test_latents_of_validation_images_are_those_of_the_autoencoder():
    run = Run(recipe.read(["recipe=digits"]).recipe)
    feed = of_validation(run, "latents", batch_size=126)
    assert feed is not None
    latents, labels, _ = feed.batch(0)
    encoded = run.autoencoder.encode(run.images.pixels("val") / 255)
    nearest = torch.cdist(latents.flatten(1), encoded.flatten(1)).argmin(1)
    assert torch.allclose(latents, encoded[nearest], atol=1e-4)
    assert torch.equal(run.images.val.labels[nearest], labels)


def test_what_is_measured_stands_in_the_card_and_beside_the_losses(run: Run):
    folder = run.pretrained("prior")
    curve = read_tensors(folder / "losses.safetensors")
    assert curve["loss"].shape == (6,)
    assert curve["validation_step"].tolist() == [2, 4, 6]
    said = f"- loss on validation: {float(curve['validation_loss'][-1]):.4g}\n"
    assert said in (folder / "CARD.md").read_text()


def test_without_validation_images_nothing_is_measured(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run.images, "val", run.images.val.select(torch.arange(0)))
    assert of_validation(run, "pixels", batch_size=10) is None
    folder = run.pretrained("prior")
    assert "- loss on validation: not measured" in (folder / "CARD.md").read_text()
