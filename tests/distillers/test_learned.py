"""Are sets learned as their methods say, and is a set the same however it came to be?"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.distillers.ddoq import DDOQ
from ddoq.distillers.learned import Learned
from ddoq.errors import DataError, IntegrityError, UsageError
from ddoq.evaluation.rows import made_of
from ddoq.experiment import experiment
from ddoq.matching.distillation import Distillation
from ddoq.plan import plan
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet
from ddoq.training import resume

NETS = """
import torch


class Identity(torch.nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.last = torch.nn.Linear(64, num_classes)

    def features(self, x):
        return x.flatten(1)

    def forward(self, x):
        return self.last(x.flatten(1))


class Blind(torch.nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.last = torch.nn.Linear(64, num_classes)

    def forward(self, x):
        return self.last(x.flatten(1))
"""
PLAIN = {"images_per_class": 2, "batch_size": 8, "augmentation": ""}
FEW = {"images_per_class": 1, "batch_size": 8}
QUEUE = {"name": "queue", "every": 2, "members": 2, "train_steps": 1, "batch_size": 16}
# One preset for each viewpoint, short.
SHORT: list[dict[str, Any]] = [
    {"name": "dm", "steps": 6, **FEW},
    {"name": "dc", "networks": 3, "viewpoint": {"name": "inner", "outer": 2}, **FEW},
    {"name": "idm", "steps": 6, "viewpoint": QUEUE, **FEW},
    {"name": "dm", "steps": 6, "sampler": {"name": "importance", "every": 2}, **FEW},
]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ownnets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ownnets", raising=False)


def open_run(cache: Path, *overrides: str) -> Run:
    student = "student={name: convnet, depth: 2, width: 8}"
    words = ["recipe=digits", "decoder=plain", f"cache={cache}", student, *overrides]
    return Run(recipe.read(words).recipe)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return open_run(tmp_path / "cache")


def distiller(run: Run, block: dict[str, Any]) -> Learned:
    done = complete(KINDS, "distiller", block)
    made = made_of(done, run.recipe.decoder, run.recipe.weighting)
    assert isinstance(made, Learned)
    return made


def learned(run: Run, seed: int = 0, **block: Any) -> SyntheticSet:
    return distiller(run, block).distill(run.images, run, seed)


def test_dm_through_the_identity_is_the_class_mean_which_is_ddoqs_point(tmp_path: Path):
    run = open_run(tmp_path / "cache", "student=ownnets:Identity", "autoencoder=identity")
    how = {"augmentation": "", "batch_size": 1000, "images_per_class": 1}
    found = learned(run, name="dm", steps=60, lr=0.25, **how)
    ddoq = complete(KINDS, "distiller", {"name": "ddoq", "images_per_class": 1, "folds": 0})
    made = made_of(ddoq, run.recipe.decoder, run.recipe.weighting)
    assert isinstance(made, DDOQ)
    points = made.points(run, 0).quantization.points.reshape(10, 1, 8, 8)
    torch.testing.assert_close(found.images, run.autoencoder.decode(points), atol=1e-4, rtol=0)
    pixels = run.images.pixels("train") / 255
    means = [pixels[run.images.train.of_class(c)].mean(0) for c in range(10)]
    torch.testing.assert_close(found.images, torch.stack(means), atol=1e-4, rtol=0)


def test_m3d_with_a_linear_kernel_is_dm(run: Run):
    linear = {"name": "mmd", "kernel": "linear"}
    how = {"parameterization": "pixels", "steps": 4, "lr": 0.5, **PLAIN}
    dm = learned(run, name="dm", **how)
    m3d = learned(run, name="learned", objective=linear, viewpoint="fresh", **how)
    torch.testing.assert_close(m3d.images, dm.images, atol=1e-4, rtol=0)
    assert (dm.images - learned(run, name="dm", **how | {"steps": 1}).images).abs().max() > 0.01


def test_idm_with_new_networks_whole_images_and_no_answers_is_dm_class_by_class(run: Run):
    how = {"steps": 4, "lr": 0.5, **PLAIN}
    new = {"name": "queue", "every": 1, "most": 1, "train_steps": 1}
    reduced = {"parameterization": "pixels", "viewpoint": new, "objective": "feature_mean"}
    idm = learned(run, name="idm", **reduced, **how)
    dm = learned(run, name="learned", one_class_at_a_time=True, **how)
    assert torch.equal(idm.images, dm.images)


def test_class_by_class_without_momentum_is_all_at_once(run: Run):
    how = {"name": "learned", "steps": 4, "lr": 0.5, "momentum": 0.0, **PLAIN}
    apart = learned(run, one_class_at_a_time=True, **how)
    torch.testing.assert_close(apart.images, learned(run, **how).images, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("block", "step"), [*zip(SHORT, (1, 3, 4, 5), strict=True)])
def test_after_a_stop_the_set_has_the_same_bytes(
    tmp_path: Path, block: dict[str, Any], step: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resume, "EVERY_SECONDS", 0.0)
    whole = learned(open_run(tmp_path / "whole"), **block)
    run, go = open_run(tmp_path / "stopped"), Distillation.training_step
    done: list[int] = []

    def stops(self: Distillation, number: int, batch_idx: int) -> torch.Tensor:
        if number == step and number not in done:
            done.append(number)
            raise KeyError("killed")
        done.append(number)
        return go(self, number, batch_idx)

    monkeypatch.setattr(Distillation, "training_step", stops)
    with pytest.raises(KeyError, match="killed"):
        learned(run, **block)
    found = learned(run, **block)
    assert done == [*range(step + 1), *range(step, 6)]
    assert found.fingerprint == whole.fingerprint


RANKS = """
    import sys
    import ddoq
    from ddoq import command
    def body(argv):
        places, number, *blocks = argv
        ranks = f"trainer={{accelerator: cpu, devices: {number}, strategy: ddp}}"
        for block in blocks:
            ddoq.distill("digits", "decoder=plain", f"cache={places}", ranks, f"distiller={block}")
    if __name__ == "__main__":
        command.run(body)
"""


@pytest.mark.slow
def test_two_ranks_learn_the_sets_of_one_to_the_byte(
    tmp_path: Path, environment: dict[str, str], warm: str
):
    program = tmp_path / "ranks.py"
    program.write_text(textwrap.dedent(RANKS))
    blocks = [json.dumps(block) for block in (SHORT[1], SHORT[2])]
    found: list[dict[str, bytes]] = []
    for number in ("1", "2"):
        words = [warm, program.name, cache := f"cache{number}", number, *blocks]
        how: dict[str, Any] = {"cwd": tmp_path, "env": environment, "timeout": 280}
        done = subprocess.run(words, **how, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        files = (tmp_path / cache / "learned").glob("*/learned.safetensors")
        found.append({file.parent.name: file.read_bytes() for file in files})
    assert len(found[0]) == 2
    assert found[0] == found[1]


def test_masses_of_a_start_count_in_the_means_and_stay_the_weights(run: Run):
    ddoq = {"name": "ddoq", "folds": 0}
    start, kept, equal = (
        learned(run, name="dm", start=ddoq, steps=3, weights=how, **PLAIN)
        for how in ("start", "kept", "equal")
    )
    block = complete(KINDS, "distiller", {**ddoq, "images_per_class": 2})
    drawn = made_of(block, run.recipe.decoder, run.recipe.weighting).distill(run.images, run, 0)
    assert start.weights.tolist() == pytest.approx(drawn.weights.tolist())
    assert torch.equal(kept.weights, start.weights)
    assert equal.weights.tolist() == [1.0] * 20
    assert not torch.equal(start.images, equal.images)
    assert torch.equal(kept.images, equal.images)


def test_a_start_may_have_a_decoder_and_a_weighting_of_its_own(tmp_path: Path, run: Run):
    ddoq = {"name": "ddoq", "folds": 0}
    own = {**ddoq, "decoder": "nearest", "weighting": "mass"}
    as_asked = open_run(tmp_path / "cache", "decoder=nearest", "weighting=mass")
    found = learned(run, name="dm", start=own, steps=1, **PLAIN)
    assert torch.equal(
        found.images, learned(as_asked, name="dm", start=ddoq, steps=1, **PLAIN).images
    )
    assert not torch.equal(
        found.images, learned(run, name="dm", start=ddoq, steps=1, **PLAIN).images
    )


def test_a_tiled_set_says_so_and_starts_from_as_many_images_as_tiles(run: Run):
    made = learned(run, name="m3d", steps=1, lr=1e-9, **FEW)
    assert made.hints == {"tiles": 2}
    assert len(made) == 10
    random = made_of(
        complete(KINDS, "distiller", {"name": "random", "images_per_class": 4}), {}, {}
    ).distill(run.images, run, 0)
    apart = made.unfolded(2)
    assert apart.labels.tolist() == random.labels.tolist()
    means = random.images.float().mean((1, 2, 3)) / 255
    torch.testing.assert_close(apart.images.mean((1, 2, 3)), means, atol=0.03, rtol=0)


def test_each_seed_has_a_set_of_its_own_and_a_set_is_made_once(run: Run):
    first = learned(run, **SHORT[0])
    assert learned(run, 1, **SHORT[0]).fingerprint != first.fingerprint
    made = [r.stage for r in run.records if not r.cached].count("learned")
    assert learned(run, **SHORT[0]).fingerprint == first.fingerprint
    assert [r.stage for r in run.records if not r.cached].count("learned") == made == 2


def test_a_loss_that_is_not_finite_ends_with_code_5_and_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resume, "EVERY_SECONDS", 0.0)
    run, go = open_run(tmp_path / "cache"), Distillation.training_step

    def spoils(self: Distillation, number: int, batch_idx: int) -> torch.Tensor:
        if number == 4:
            for group in self.optimizers().param_groups:
                group["lr"] = float("inf")
        return go(self, number, batch_idx)

    monkeypatch.setattr(Distillation, "training_step", spoils)
    with pytest.raises(IntegrityError, match=r"not finite.*\n.*lower the distiller's lr") as caught:
        learned(run, **SHORT[0])
    assert caught.value.exit_code == 5
    [state] = tmp_path.rglob("training.resume")
    kept = torch.load(state, weights_only=True)
    assert kept["state_dict"]["learned.images"].isfinite().all()
    assert kept["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"] == 4


@pytest.mark.parametrize(
    ("student", "block", "words"),
    [
        ("ownnets:Blind", {"name": "dm"}, "ownnets:Blind has no method `features`"),
        ("{name: convnet, depth: 2, norm: batch}", {"name": "dc"}, "one class at a time"),
        ("{name: convnet, depth: 2, norm: batch}", {"name": "idm"}, "one class at a time"),
        (None, {"name": "m3d", "parameterization": {"factor": 3}}, "cannot be cut into 3 x 3"),
        (None, {"name": "dm", "start": "full"}, "it keeps all images"),
        (None, {"name": "dm", "augmentation": "blur"}, "no strategy 'blur'"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_any_work(tmp_path, student, block, words):
    run = open_run(tmp_path / "cache", *([f"student={student}"] if student else []))
    with pytest.raises(UsageError, match=words):
        distiller(run, block).refuse(run, 0)
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("learned*"))


@pytest.mark.parametrize(
    ("size", "number", "words"), [(6, 1, "images are 1x6x6"), (8, 3, "3 of the largest class")]
)
def test_a_start_of_another_size_is_refused(tmp_path: Path, run: Run, size, number, words):
    labels = torch.arange(10).repeat(number)
    classes = run.images.class_names, run.images.class_ids
    given = SyntheticSet(
        torch.rand(len(labels), 1, size, size), labels, torch.ones(len(labels)), *classes
    )
    given.save(tmp_path / "given")
    start = {"name": "given", "path": str(tmp_path / "given"), "unusual": True}
    with pytest.raises((UsageError, DataError), match=words):
        distiller(run, {"name": "dm", "images_per_class": 1, "start": start}).refuse(run, 0)


def saved(run: Run, place: Path, **changes: Any) -> dict[str, Any]:
    """Save a set of one image per class, and return the start that reads it."""
    labels, classes = torch.arange(10), (run.images.class_names, run.images.class_ids)
    values = {"images": torch.rand(10, 1, 8, 8), "weights": torch.ones(10), **changes}
    given = SyntheticSet(values["images"], labels, values["weights"], *classes)
    given.save(place)
    return {"name": "given", "path": str(place), "unusual": True}


def test_a_set_is_learned_anew_if_the_file_that_it_starts_from_changes(tmp_path: Path, run: Run):
    for images in (torch.full((10, 1, 8, 8), value) for value in (0.25, 0.75)):
        start = saved(run, tmp_path / "given", images=images)
        found = learned(run, name="dm", steps=1, lr=1e-9, start=start, **FEW)
        torch.testing.assert_close(found.images, images, atol=1e-4, rtol=0)


def test_a_class_without_weight_is_refused_unless_weights_are_left_out(tmp_path: Path, run: Run):
    start = saved(run, tmp_path / "given", weights=torch.tensor([0.0, *[1.0] * 9]))
    block = {"name": "dm", "steps": 1, "start": start, **FEW}
    with pytest.raises(UsageError, match="images of class '0' have no weight"):
        distiller(run, block).refuse(run, 0)
    assert learned(run, **block, weights="equal").images.isfinite().all()


def test_what_classes_weigh_is_asked_of_a_start_or_not_at_all(tmp_path: Path, run: Run):
    # `given` takes no class_prior, so it is part of what the set is cached by.
    block = {"name": "dm", "start": saved(run, tmp_path / "given"), **FEW}
    keys = [
        distiller(run, {**block, "weights": "equal", "class_prior": how}).key(run, 0)
        for how in ("uniform", "data")
    ]
    assert keys[0] != keys[1]
    block["class_prior"] = "data"
    with pytest.raises(UsageError, match="takes no class_prior"):
        distiller(run, block).refuse(run, 0)
    distiller(run, {**block, "start": "random"}).refuse(run, 0)


def test_tiles_that_are_used_again_are_so_beside_others(run: Run):
    few = run.narrowed(run.images.select(torch.arange(60)))
    made = learned(few, name="m3d", images_per_class=5, steps=1, lr=1e-9)
    assert len(made.images.flatten(1).unique(dim=0)) == len(made)


def test_a_set_of_tiles_is_refused_under_a_protocol_that_does_not_cut_them(tmp_path: Path):
    words = ["recipe=digits", "distiller=m3d", "protocol=small_hard", f"cache={tmp_path / 'c'}"]
    for more in ([], ["dry_run=true"]):
        with pytest.raises(UsageError, match="2 x 2 smaller ones, which protocol small_hard"):
            experiment(recipe.read([*words, f"out={tmp_path / 'out'}", *more]))
    assert not list(tmp_path.rglob("learned*"))


def test_data_that_are_no_images_are_not_augmented(run: Run):
    run.images.modality = "graph"
    with pytest.raises(UsageError, match="the data's modality is 'graph'"):
        distiller(run, {"name": "dm"}).refuse(run, 0)
    distiller(run, {"name": "dm", "augmentation": ""}).refuse(run, 0)


def test_a_network_with_batch_statistics_may_look_at_all_classes_together(tmp_path: Path):
    run = open_run(tmp_path / "cache", "student={name: convnet, depth: 2, width: 8, norm: batch}")
    assert learned(run, name="dm", steps=2, **FEW).images.isfinite().all()


def test_a_start_of_a_start_is_refused():
    with pytest.raises(UsageError, match="a start has none itself"):
        complete(KINDS, "distiller", {"name": "dm", "start": "dm"})


def test_a_plan_names_the_set_and_says_whether_it_is_there(tmp_path: Path):
    block = "distiller={name: dm, images_per_class: 1, steps: 2, start: {name: ddoq, folds: 0}}"
    run = open_run(tmp_path / "cache", block, "evaluation.seeds=1")

    def states() -> dict[str, str]:
        return {s.what: s.state for s in plan(run)}

    before = states()
    assert before["set dm of 1 per class"] == before["quantization"] == "to do"
    made_of(run.recipe.distiller, run.recipe.decoder, run.recipe.weighting).distill(
        run.images, run, 0
    )
    assert states()["set dm of 1 per class"] == "cached"


@pytest.mark.parametrize("start", ["random", "ddoq"])
def test_a_plan_says_how_long_a_set_takes_and_makes_nothing(tmp_path: Path, start: str):
    block = f"distiller={{name: dm, images_per_class: 1, steps: 9, start: {start}}}"
    small = "data={name: glyphs, train: 40, val: 0, test: 10, image_size: 16}"
    words = ["recipe=digits", "decoder=plain", "autoencoder=identity", small, block]
    words += ["student={name: convnet, depth: 2, width: 8}", f"cache={tmp_path}/cache"]
    run = Run(recipe.read(words).recipe, makes=False)
    [step] = [s for s in plan(run) if s.what.startswith("set dm")]
    assert step.needs.endswith(" each")
    assert not list(tmp_path.glob("cache/**/manifest.json"))
