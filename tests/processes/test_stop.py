"""Does a signal end a program where it should, and never later than that?"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from ddoq.processes import stop
from ddoq.processes.world import World
from ddoq.run.trainers import new_trainer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(environment: dict[str, str]):
    """Return what starts a program that prints `ready`, and wait for it."""

    def started(body: str) -> subprocess.Popen[str]:
        program = "import os, signal, time\nfrom ddoq.processes import stop\nstop.install()\n"
        process = subprocess.Popen(
            [sys.executable, "-c", program + textwrap.dedent(body)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    running: list[subprocess.Popen[str]] = []
    yield started
    for process in running:
        process.kill()
        process.communicate()


CAUGHT = """
try:
    print("ready", flush=True)
    time.sleep(60)
except stop.Stopped as stopped:
    print("caught", stopped.number, flush=True)
    {then}
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_raises_where_the_program_is(start, number: int):
    process = start(CAUGHT.format(then="pass"))
    process.send_signal(number)
    assert process.stdout.read() == f"caught {int(number)}\n"
    assert process.wait(10) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(start, number: int, code: int):
    process = start(CAUGHT.format(then="time.sleep(60)"))
    process.send_signal(number)
    assert process.stdout.readline().startswith("caught")
    time.sleep(0.5)
    process.send_signal(number)
    assert process.wait(10) == code


def test_signals_at_once_are_one(start):
    # As `timeout` sends them, to a process and to its group.
    process = start(CAUGHT.format(then="time.sleep(1); print('done', flush=True)"))
    process.send_signal(signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stdout.read().endswith("done\n")
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        ("stop.SECONDS = 1.0", 1.0),
        ("", 3.0),
        ("stop.SECONDS = 1.0; stop.deferred().__enter__()", 1.0),
    ],
)
def test_when_time_is_up_it_ends_whatever_the_main_thread_does(start, setting: str, seconds: float):
    # Inside a library, where no signal is seen; without a state to save there is less time.
    process = start(f"""
        import hashlib
        {setting}
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha512", b"", b"", 10**9)
    """)
    time.sleep(0.3)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert seconds - 0.1 < time.monotonic() - begun < seconds + 5


DEFERRED = """
try:
    with stop.deferred():
        print("ready", flush=True)
        while not stop.asked():
            time.sleep(0.01)
        print("noted", flush=True)
    print("never", flush=True)
except stop.Stopped:
    print("raised", flush=True)
"""


def test_a_signal_that_is_deferred_is_noted_and_raises_later(start):
    process = start(DEFERRED)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "noted\nraised\n"


def test_what_another_rank_was_asked_for_raises_once(start):
    process = start("""
        print("ready", flush=True)
        try:
            with stop.deferred():
                stop.now(signal.SIGINT)
        except stop.Stopped as stopped:
            print(stopped.number, stop.asked(), flush=True)
            signal.raise_signal(signal.SIGTERM)
            print("not again", flush=True)
    """)
    assert process.stdout.read() == "2 2\nnot again\n"


def test_a_signal_that_was_asked_for_leaves_time_for_the_last_words(start):
    # Another rank was stopped, this one finishes, and its launcher hands the signal on to it too.
    process = start("""
        stop.ask(signal.SIGINT)
        stop.finish()
        os.kill(os.getpid(), signal.SIGINT)
        print("ready", flush=True)
        time.sleep(0.2)
        print("last words", flush=True)
        time.sleep(60)
    """)
    assert process.stdout.readline() == "last words\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_a_signal_that_the_program_answers_before_the_thread_leaves_time_for_the_last_words(start):
    # The thread gets its turn only once the program sleeps.
    process = start("""
        import sys
        sys.setswitchinterval(30)
        print("ready", flush=True)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except stop.Stopped:
            stop.finish()
            time.sleep(1)
            print("last words", flush=True)
    """)
    assert process.stdout.read() == "last words\n"
    assert process.wait(10) == 0


def test_a_fork_answers_signals_as_any_process(start):
    process = start("""
        came, goes = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(goes, b"x")
            time.sleep(60)
        os.read(came, 1)
        print("ready", flush=True)
        os.kill(pid, signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), stop.asked(), flush=True)
    """)
    assert process.stdout.read() == f"{-signal.SIGTERM} None\n"


def test_interrupts_that_a_shell_ignores_stay_ignored(environment: dict[str, str]):
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from ddoq.processes import stop
        stop.install()
        signal.raise_signal(signal.SIGINT)
        print(stop.asked())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "None\n"


def test_without_anyone_to_answer_nothing_is_asked():
    assert stop.asked() is None
    with stop.deferred():
        stop.ask(signal.SIGTERM)
    assert stop.asked() is None


class Still(LightningModule):
    """A training that does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.weight.sum()

    def predict_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Looks(Callback):
    """Note who answers SIGTERM."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def _look(self, *_: object, **__: object) -> None:
        self.seen.append(signal.getsignal(signal.SIGTERM))

    on_train_batch_end = on_predict_batch_end = _look


def test_lightning_leaves_the_signals_alone():
    looks = Looks()
    trainer: Trainer = new_trainer(World(), {}, {"max_epochs": 1, "callbacks": [looks]})
    before = signal.getsignal(signal.SIGTERM)
    trainer.fit(Still(), torch.zeros(1, 1))
    trainer.predict(Still(), torch.zeros(1, 1))
    assert looks.seen == [before, before]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="benchmarks are not in the sdist")
def test_trainings_end_at_signals_with_their_state_and_go_on(tmp_path: Path):
    count = os.environ.get("DDOQ_SIGNALS", "1")
    words = [f"count={count}", "ranks=2", "steps=150", f"out={tmp_path / 'signals.json'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.signals", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
