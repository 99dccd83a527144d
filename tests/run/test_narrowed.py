"""May a run have fewer training images, and keep what was trained on all?"""

import torch

from ddoq import recipe
from ddoq.distillers.random import Random
from ddoq.run import Run


def test_a_narrowed_run_keeps_what_was_pretrained_and_has_latents_of_its_own(tmp_path):
    words = ["recipe=digits", f"cache={tmp_path}", "teacher={name: trained, source: pretrain}"]
    run = Run(recipe.read(words).recipe)
    rows = torch.cat([run.images.train.of_class(label)[:3] for label in range(10)])
    part = run.narrowed(run.images.select(rows))
    assert part.whole is run
    assert part.pretrain_key("teacher") == run.pretrain_key("teacher")
    assert part.latents.counts == [3] * 10
    assert run.latents.counts[0] == 113
    assert part.latents_key != run.latents_key


def test_sets_of_a_narrowed_run_are_drawn_from_its_images(tmp_path):
    run = Run(recipe.read(["recipe=digits", f"cache={tmp_path}"]).recipe)
    rows = torch.cat([run.images.train.of_class(label)[5:8] for label in range(10)])
    part = run.narrowed(run.images.select(rows))
    drawn = Random(images_per_class=3).distill(part.images, part, 0)
    chosen = run.images.pixels("train")[rows]
    assert torch.equal(drawn.images.flatten(1).sort(0).values, chosen.flatten(1).sort(0).values)
