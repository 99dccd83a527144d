"""Decoders that cannot work are refused before any work, and others are not."""

from pathlib import Path

import pytest

from ddoq import distill, recipe
from ddoq.errors import UsageError
from ddoq.experiment import experiment
from ddoq.run import Run
from ddoq.run.decoders import refuse_decoder

# The start of a block that chooses the best image of several.
BEST = "{name: confident, decoder:"


def refusal(*words: str) -> str:
    """Return why a decoder is refused; nothing if it is not."""
    run = Run(recipe.read(["recipe=digits", *words]).recipe)
    try:
        refuse_decoder(run, run.recipe.decoder)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ("{name: dit, interval: [0.8, 0.2]}", "guidance would never be used"),
        ("{name: dit, interval: [0.5, 0.5]}", "guidance would never be used"),
        ("{name: closest, decoder: {name: dit, guide: transport}}", "cannot be chosen alone"),
        ("{name: closest, decoder: {name: dit, start: noisy}}", "start=noisy points are noise"),
        (
            "{name: confident, decoder: {name: closest, decoder: {name: dit, start: direct}}}",
            "start=direct points are noise",
        ),
        (
            "{name: closest, number: 1, decoder: {name: dit, start: noisy, scheduler: ddpm}}",
            "no image is close to its point",
        ),
        ("{name: dit, scheduler: nope}", "scheduler=nope cannot use"),
        ("{name: stable_diffusion, prompt: a photo of a digit}", "the same for every class"),
    ],
)
def test_a_decoder_that_cannot_work_is_refused_in_a_dry_run(
    tmp_path: Path, decoder: str, said: str
) -> None:
    chosen = ["recipe=digits", f"decoder={decoder}", f"cache={tmp_path}", "dry_run=true"]
    if "stable_diffusion" in decoder:
        chosen.append("prior={name: stable_diffusion, source: own/weights, revision: main}")
    with pytest.raises(UsageError, match=said):
        experiment(recipe.read(chosen))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "decoder",
    [
        "plain",
        "nearest",
        "{name: dit, start: invert}",
        "{name: dit, start: direct, scheduler: euler}",
        "{name: dit, start: noisy, scheduler: dpm}",
        "{name: dit, strength: 0.01, scheduler: ddpm}",
        "{name: confident, decoder: plain}",
        "{name: confident, number: 1, decoder: plain}",
    ],
)
def test_a_choice_among_images_that_are_all_the_same_is_refused(decoder: str):
    assert "makes the same image of a point each time" in refusal(f"decoder={BEST} {decoder}}}")


@pytest.mark.parametrize(
    "decoder",
    [
        "{name: dit, start: renoise}",
        "{name: dit, start: noise, strength: 0}",
        "{name: dit, start: invert, scheduler: ddpm}",
        "{name: closest, decoder: {name: dit, start: noise}}",
        "{name: ddoq.decoders.plain:Plain}",
    ],
)
def test_a_choice_among_images_that_may_differ_is_not(decoder: str):
    assert not refusal(f"decoder={BEST} {decoder}}}")


def test_a_single_image_is_no_choice():
    assert not refusal("decoder={name: confident, number: 1, decoder: plain}")


def test_the_priors_own_scheduler_is_that_of_its_folder():
    within = f"decoder={BEST} {{name: dit, start: noisy}}}}"
    assert "makes the same image" in refusal(within)
    # What lies elsewhere is not asked for, and may draw.
    assert not refusal(within, "prior.source=someone/elsewhere")


def test_a_set_is_refused_like_a_run(tmp_path: Path):
    with pytest.raises(UsageError, match="makes the same image"):
        distill("digits", f"cache={tmp_path}", f"decoder={BEST} plain}}")
    assert not list(tmp_path.iterdir())
