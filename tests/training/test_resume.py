"""Does a training that was stopped go on as if it had not been?"""

import os
import signal
import subprocess
import sys
import textwrap
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from lightning import LightningModule

from ddoq import recipe
from ddoq.evaluation.evaluators import train as training
from ddoq.evaluation.measure import Measure, evaluated
from ddoq.evaluation.training import Training
from ddoq.files.artifacts import read_json
from ddoq.files.tensors import read_tensors
from ddoq.protocols.presets import preset
from ddoq.run import Run
from ddoq.training import resume
from ddoq.training.steps import Steps

# With dropout, so that the state of the random numbers matters.
STUDENT = {"name": "timm/test_vit", "patch_size": 4, "proj_drop_rate": 0.3}


@pytest.fixture(autouse=True)
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "EVERY_SECONDS", 0.0)


@pytest.fixture
def resumed_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the steps at which trainings go on."""
    seen: list[int] = []
    load = Steps.load_state_dict

    def noted(self: Steps, state: dict[str, int]) -> None:
        seen.append(state["next"])
        load(self, state)

    monkeypatch.setattr(Steps, "load_state_dict", noted)
    return seen


def open_run(tmp_path: Path, *overrides: str) -> Run:
    places = [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]
    return Run(recipe.read(["recipe=digits", *places, *overrides]).recipe)


def train(run: Run, work: Path, **changes: object) -> tuple[Measure, torch.Tensor]:
    """Train on 60 real images and return the outcome and the loss of every step."""
    work.mkdir(exist_ok=True)
    protocol = preset("small_hard", **{"steps": 12, "batch_size": 20, **changes})
    training = Training(run.images.subset(torch.arange(0, 600, 10)), STUDENT, protocol, 0)
    measured = evaluated(run, training, work=work)
    return measured, read_tensors(work / "losses.safetensors")["loss"]


def outcome(measure: Measure) -> dict[str, object]:
    costs = ("seconds", "peak_memory_mb")
    return {k: v for k, v in asdict(measure).items() if k not in costs}


@pytest.mark.parametrize("step", [1, 6, 11])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema": 0.9, "reported": "ema"},
        {"reported": "best", "evaluations": 3, "flip": True, "mix": "cutmix"},
        {"weights": "sampler", "optimizer": "sgd", "lr": 0.1},
    ],
)
def test_after_a_stop_losses_and_accuracies_are_the_same(
    tmp_path, stopped_at, resumed_at, step, changes
):
    run = open_run(tmp_path)
    whole, losses = train(run, tmp_path / "whole", **changes)
    with stopped_at(step):
        train(run, tmp_path / "stopped", **changes)
    measured, resumed = train(run, tmp_path / "stopped", **changes)
    assert resumed_at == [step]
    assert len(losses) == 12
    assert torch.equal(resumed, losses)
    assert outcome(measured) == outcome(whole)


def test_what_was_done_before_is_not_done_again(tmp_path, stopped_at, monkeypatch):
    run = open_run(tmp_path)
    with stopped_at(7):
        train(run, tmp_path / "work")
    seen: list[int] = []
    monkeypatch.setattr(
        training, "Steps", lambda batch, n: Steps(lambda s: (seen.append(s), batch(s))[1], n)
    )
    train(run, tmp_path / "work")
    assert seen == [7, 8, 9, 10, 11]


def test_seconds_are_those_of_all_calls(tmp_path, stopped_at):
    run = open_run(tmp_path)
    with stopped_at(11):
        train(run, tmp_path / "work")
    file = tmp_path / "work" / "training.resume"
    state = torch.load(file, weights_only=True)
    assert 0 < state["callbacks"]["Resume"]["seconds"] < 60
    state["callbacks"]["Resume"]["seconds"] = 1000.0
    torch.save(state, file)
    measured, _ = train(run, tmp_path / "work")
    assert 1000 < measured.seconds < 1060


def test_a_damaged_state_is_left_and_the_training_begins_anew(tmp_path):
    run = open_run(tmp_path)
    whole, losses = train(run, tmp_path / "whole")
    work = tmp_path / "work"
    work.mkdir()
    (work / "training.resume").write_bytes(b"half a file")
    with pytest.warns(UserWarning, match="unreadable.*starts over"):
        measured, again = train(run, work)
    assert torch.equal(again, losses)
    assert outcome(measured) == outcome(whole)


def test_a_state_of_another_lightning_is_left(tmp_path, stopped_at, resumed_at):
    run = open_run(tmp_path)
    with stopped_at(5):
        train(run, tmp_path / "work")
    file = tmp_path / "work" / "training.resume"
    torch.save({**torch.load(file, weights_only=True), "pytorch-lightning_version": "1.0"}, file)
    with pytest.warns(UserWarning, match="another version of lightning"):
        train(run, tmp_path / "work")
    assert resumed_at == []


@pytest.mark.parametrize("loss", [1.0, float("nan"), float("inf")])
def test_a_state_with_a_loss_that_is_no_number_is_not_kept(tmp_path, make_trainer, loss):
    class Constant(LightningModule):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            return torch.tensor(loss, requires_grad=True)

        def configure_optimizers(self) -> None:
            return None

    trainer = make_trainer(callbacks=[resume.Resume(tmp_path / "state")])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*configure_optimizers.*")
        trainer.fit(Constant(), torch.zeros(2, 1))
    assert (tmp_path / "state").exists() == (loss == 1.0)


def test_a_short_training_leaves_no_state(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "EVERY_SECONDS", 60.0)
    train(open_run(tmp_path), tmp_path / "work")
    assert not (tmp_path / "work" / "training.resume").exists()


UNET = [
    "prior=unet",
    "pretrain.prior={net: {name: unet, width: 8, multipliers: [1, 1], dropout: 0.2}}",
    "pretrain.prior.space=pixels",
]

FLOW = [
    "pretrain.prior.net={layers: 2, heads: 1, shared: true, objective: flow}",
    *("pretrain.prior.checkpointing=true", "pretrain.prior.samples=0"),
]


@pytest.mark.parametrize(
    ("part", "chosen"),
    [("autoencoder", []), ("teacher", []), ("prior", []), ("prior", UNET), ("prior", FLOW)],
)
def test_pretraining_goes_on_too(tmp_path, stopped_at, resumed_at, part, chosen):
    chosen = [*chosen, f"pretrain.{part}.steps=6", f"{part}.source=pretrain"]
    whole = open_run(tmp_path / "whole", *chosen).pretrained(part)
    with stopped_at(4):
        open_run(tmp_path / "stopped", *chosen).pretrained(part)
    resumed = open_run(tmp_path / "stopped", *chosen).pretrained(part)
    assert resumed_at == [4]
    ours, theirs = (sorted(f.rglob("*.safetensors")) for f in (resumed, whole))
    assert [f.read_bytes() for f in ours] == [f.read_bytes() for f in theirs]
    assert not list(resumed.rglob("*.resume"))


SCRIPT = """
    import sys
    import torch
    from ddoq import command, recipe
    from ddoq.training import resume
    from ddoq.training.curve import LossCurve
    from ddoq.evaluation.training import Training
    from ddoq.evaluation.measure import measure
    from ddoq.protocols.presets import preset
    from ddoq.run import Run
    from ddoq.training.steps import Steps
    folder, steps, seconds = sys.argv[1:]
    resume.EVERY_SECONDS = float(seconds)
    load, end = Steps.load_state_dict, LossCurve.on_train_batch_end
    def noted(self, state):
        print("went on at", state["next"], flush=True)
        load(self, state)
    def told(self, trainer, *rest):
        end(self, trainer, *rest)
        print("step", trainer.global_step, flush=True)
    Steps.load_state_dict, LossCurve.on_train_batch_end = noted, told
    def body(_):
        run = Run(recipe.read(["recipe=digits", f"cache={folder}", f"out={folder}"]).recipe)
        protocol = preset("small_hard", steps=int(steps), evaluations=2)
        student = {"name": "convnet", "depth": 2, "width": 8}
        measure(run, Training(run.images.subset(torch.arange(60)), student, protocol, 0))
    command.run(body)
"""


def test_a_process_that_is_killed_is_taken_up_by_the_next(tmp_path, environment, warm):
    def start(place: str, python: str = warm) -> subprocess.Popen[bytes]:
        words = [str(tmp_path / place), "200", "0.0"]
        command = [python, "-c", textwrap.dedent(SCRIPT), *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

    start("whole").communicate()
    process = start("killed", sys.executable)
    while not list((tmp_path / "killed").rglob("training.resume")):
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list((tmp_path / "killed" / "training").glob("*/measure.json"))
    printed, _ = (second := start("killed")).communicate()
    assert second.returncode == 0
    assert int(printed.decode().split("went on at")[1].split()[0]) > 0
    (whole,), (killed,) = (
        (tmp_path / p / "training").glob("*/measure.json") for p in ("whole", "killed")
    )
    assert read_json(killed)["top1"] == read_json(whole)["top1"]
    assert read_json(killed)["loss"] == read_json(whole)["loss"]
    curves = [f.with_name("losses.safetensors").read_bytes() for f in (whole, killed)]
    assert curves[0] == curves[1]
    assert not list(killed.parent.glob("*.resume"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_a_state_that_is_less_than_a_minute_old(tmp_path, environment, number, code):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path), "100000", "60"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline() != "step 5\n":
            assert process.poll() is None
        process.send_signal(number)
        last = ["5", *process.stdout.read().split()][-1]
    assert process.returncode == code
    # It ended after the step that it was at.
    [state] = tmp_path.rglob("training.resume")
    assert torch.load(state, weights_only=True)["global_step"] == int(last)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_training_on_a_card_goes_on(tmp_path, stopped_at, resumed_at):
    run = open_run(tmp_path, "trainer={accelerator: gpu, devices: 1}")
    _, losses = train(run, tmp_path / "whole", ema=0.9, reported="ema")
    with stopped_at(6):
        train(run, tmp_path / "stopped", ema=0.9, reported="ema")
    _, resumed = train(run, tmp_path / "stopped", ema=0.9, reported="ema")
    assert resumed_at == [6]
    assert torch.allclose(resumed, losses, rtol=1e-3)
