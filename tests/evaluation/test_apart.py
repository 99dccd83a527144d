"""Ranks that train apart: who does what, under which key, and is it all done in the end?"""

import os
import subprocess
import sys
import textwrap
from itertools import chain
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.errors import IntegrityError, UsageError
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.measure import measure
from ddoq.evaluation.missing import part_of
from ddoq.evaluation.training import TRAINING, Training, feed_of, training_key
from ddoq.evaluation.workers import origin_of
from ddoq.files.artifacts import read_json
from ddoq.processes.world import World, forget
from ddoq.run import Run
from ddoq.run.refusals import refuse_run


def rank(number: int, size: int) -> World:
    world = World()
    world.rank, world.size = number, size
    return world


@pytest.fixture(scope="module")
def grid() -> Grid:
    """Two tables, one row, three seeds, two students."""
    two = ["students=[convnet, timm/test_resnet]", "protocols=[small, small_hard]"]
    words = ["recipe=digits", "decoder=plain", "evaluation.decoders=[]", "evaluation.baselines=[]"]
    return Grid.of(Run(recipe.read([*words, *two, "evaluation.seeds=3"]).recipe))


def test_the_students_of_a_set_go_to_one_rank(grid: Grid) -> None:
    parts = [part_of(rank(r, 2), list(grid), grid) for r in (0, 1)]
    assert sorted(parts[0] + parts[1]) == list(range(12))
    sets = [{grid.labels_of(job) for job in part} for part in parts]
    assert not sets[0] & sets[1]
    assert {len(part) for part in parts} == {6}


def test_few_sets_are_divided_so_that_all_ranks_have_work(grid: Grid) -> None:
    parts = [part_of(rank(r, 4), list(grid), grid) for r in range(4)]
    assert sorted(chain(*parts)) == list(range(12))
    assert {len(part) for part in parts} == {3}


def test_more_ranks_than_jobs_leave_some_without(grid: Grid) -> None:
    assert [len(part_of(rank(r, 4), [0, 1, 2], grid)) for r in range(4)] == [1, 1, 1, 0]


@pytest.fixture
def make_run(tmp_path: Path):
    """Return what opens a run that believes to be one of two ranks."""

    def make(*overrides: str, size: int = 2, **settings: object) -> Run:
        words = ["recipe=digits", "evaluation.spread=ranks", f"cache={tmp_path}", *overrides]
        run = Run(recipe.read(words).recipe, **settings)
        assert len(run.images.train) > 0
        run.world = rank(0, size)
        return run

    return make


def test_a_training_of_one_rank_has_the_key_of_one_process(make_run) -> None:
    apart, together = make_run(), make_run("evaluation.spread=processes")
    assert apart.student_key == make_run(size=1).student_key
    assert apart.student_key["ranks"] == 1
    assert together.student_key["ranks"] == 2


def test_a_worker_finds_what_its_ranks_pretrained(make_run) -> None:
    worker = make_run(size=1, pretrain_ranks=2)
    key = worker.pretrain_key("teacher")
    assert key["training"]["ranks"] == 2
    assert make_run(size=1).pretrain_key("teacher") != key


def test_the_strategy_of_several_ranks_is_in_the_key_unless_it_is_ddp(make_run) -> None:
    together = "evaluation.spread=processes"
    ddp, auto, sharded = (
        make_run(together, strategy=s).student_key for s in ("ddp", "auto", "fsdp")
    )
    assert ddp == auto
    assert sharded == {**ddp, "strategy": "fsdp"}
    # On one rank there is nothing to share.
    assert make_run(strategy="fsdp").student_key == make_run().student_key


def test_a_worker_knows_how_its_ranks_pretrained(make_run) -> None:
    sharded = make_run(size=1, pretrain_ranks=2, strategy="fsdp")
    origin = origin_of(sharded)
    worker = make_run(size=1, pretrain_ranks=origin.pretrain_ranks, strategy=origin.strategy)
    assert worker.pretrain_key("teacher") == sharded.pretrain_key("teacher")
    assert worker.pretrain_key("teacher")["training"]["strategy"] == "fsdp"


def test_a_small_set_need_not_be_shared_by_many_ranks(make_run) -> None:
    run = make_run("protocol=small_hard", size=500)
    training = a_training(run)
    assert feed_of(run, training).batch_size == 10


def a_training(run: Run) -> Training:
    first_of_each = [int(run.images.train.of_class(label)[0]) for label in range(10)]
    synthetic = run.images.subset(torch.tensor(first_of_each))
    return Training(
        synthetic, {"name": "convnet"}, run.make("protocol", run.recipe.protocols[0]), 0
    )


def test_ray_is_asked_by_one_process_only(make_run) -> None:
    with pytest.raises(UsageError, match="ray on 2 ranks would train everything several times"):
        refuse_run(make_run("evaluation.spread=ray"))


def test_a_training_that_no_rank_left_is_missed_with_its_place(make_run) -> None:
    run = make_run("protocol=small_hard")
    training = a_training(run)
    with pytest.raises(IntegrityError, match="a training is not cached") as error:
        measure(run, training)
    assert run.place(TRAINING, training_key(run, training)).name in error.value.cause


def test_a_worker_forgets_which_rank_it_was_started_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("MASTER_KEY", "kept")
    monkeypatch.setitem(rank_zero_only.__dict__, "rank", 1)
    forget()
    assert os.environ["MASTER_KEY"] == "kept"
    assert not {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT"} & set(os.environ)
    assert not [n for n in os.environ if n.startswith(("TORCHELASTIC_", "SLURM_"))]
    assert rank_zero_only.__dict__["rank"] == 0


@pytest.mark.slow
def test_torchruns_ranks_train_apart_by_the_teacher_that_they_trained(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ddoq.fit"]
    words = [
        "recipe=digits",
        "teacher={name: trained, source: pretrain}",
        "pretrain.teacher={steps: 30, student: {name: convnet, depth: 1, width: 8}}",
        "students=[{name: convnet, depth: 1, width: 8}]",
        "protocols=[{name: small, steps: 20}]",
        "decoder=plain",
        "evaluation.spread=ranks",
        "evaluation.decoders=[]",
        "evaluation.baselines=[]",
        "evaluation.seeds=3",
    ]
    places = [f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
    done = subprocess.run(
        [sys.executable, *launcher, *words, *places],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "train on 2 ranks" in done.stdout
    [teacher] = (tmp_path / "cache" / "pretrain" / "teacher").glob("*/manifest.json")
    assert read_json(teacher)["key"]["training"]["ranks"] == 2
    trainings = [read_json(f) for f in (tmp_path / "cache" / "training").glob("*/manifest.json")]
    assert [training["key"]["training"]["ranks"] for training in trainings] == [1, 1, 1]
    [costs] = [
        s
        for s in read_json(tmp_path / "out" / "summary.json")["stages"]
        if s["stage"].startswith("training")
    ]
    # Each is trained once, by some rank, and read once for the table.
    assert costs["runs"] - costs["cache_hits"] == 3


SMALL_STEPS = """
    import sys
    import torch
    from ddoq import command, recipe
    from ddoq.evaluation.training import Training
    from ddoq.evaluation.measure import measure
    from ddoq.protocols.presets import preset
    from ddoq.run import Run
    def body(_):
        three = "trainer={accelerator: cpu, devices: 3, strategy: ddp}"
        run = Run(recipe.read(["recipe=digits", "cache=cache", three]).recipe)
        # 14 images in steps of 4, 4, 4 and 2.
        protocol = preset("small_hard", steps=40, batch_size=4)
        student = {"name": "timm/test_vit", "patch_size": 4}
        measure(run, Training(run.images.subset(torch.arange(14)), student, protocol, 0))
    command.run(body)
"""


@pytest.mark.slow
def test_three_ranks_train_on_steps_of_two_images(tmp_path: Path, environment, warm: str) -> None:
    program = tmp_path / "small_steps.py"
    program.write_text(textwrap.dedent(SMALL_STEPS))
    done = subprocess.run(
        [warm, program.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
