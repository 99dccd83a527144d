"""What goes wrong in a user's own code is theirs: said with its file and line, never as ours."""

import signal
import sys
from pathlib import Path

import pytest

from ddoq import command, fit
from ddoq.errors import ResourceError, UsageError
from ddoq.recipe.plugin import blamed, expect_tensor

QUICK = [
    *("recipe=digits", "evaluation.seeds=1", "evaluation.baselines=[]", "evaluation.decoders=[]"),
    *("student=[{name: convnet, depth: 2, width: 4}]", "decoder=plain", "distiller.folds=0"),
    "protocol=[{name: small, steps: 2}]",
]
NET = "import torch\n\nclass Net(torch.nn.Module):\n    def __init__(self, num_classes: int):\n"
DATA = """
import torch
from ddoq.data.digits import Digits

class Own(Digits):
    def __init__(self):
        super().__init__()
        {}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs `fit` with a plug-in of some source: (exit code, stderr)."""

    def run(source: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "plug.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "plug", raising=False)
        places = [f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            command.run(fit.main, [*QUICK, *places, *arguments])
        signal.signal(signal.SIGTERM, before)
        return caught.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("argument", "source", "words"),
    [
        ("student", "class Net(:\n    pass", "plug.py:1: not valid Python: invalid syntax"),
        ("student", "x = 1\nimport absent_module\nclass Net: ...", "plug.py:2: plug:Net: Module"),
        ("student", NET + "        raise KeyError('gone')", "plug.py:5: plug:Net: KeyError"),
        ("student", NET + "        self.x = 3", "plug.py:3: plug:Net: AttributeError"),
        (
            "student={name: plug:Net, wide: 3}",
            "import torch\nclass Net(torch.nn.Linear):\n    pass",
            "plug.py:2: plug:Net: TypeError: ",
        ),
        ("student", "class Net: ...", "plug.py:1: plug:Net has no forward"),
        (
            "student",
            "import torch\nclass Net(torch.nn.Sequential):\n    def __init__(self): "
            "super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 7))",
            "plug.py:2: plug:Net given 2 images returned a Tensor of float32 of shape (2, 7)",
        ),
        (
            "student",
            "import torch\nclass Net(torch.nn.Sequential):\n    def __init__(self): "
            "super().__init__(torch.nn.Flatten(), torch.nn.Linear(63, 10))",
            "plug.py:2: plug:Net: RuntimeError: mat1 and mat2",
        ),
        (
            "distiller",
            "class Net:\n    def distill(self, images, run, seed):\n        return 3",
            "plug.py:2: distill returned a int",
        ),
        (
            "distiller",
            "class Net:\n    def distill(self, images, run, seed):\n        return images.nothing",
            "plug.py:3: AttributeError",
        ),
        ("distiller", "def Net():\n    return None", "plug.py:1: plug:Net has no distill"),
        (
            "distiller.solver",
            "class Net:\n    def __call__(self, z, n, generator):\n        return z[:n, 1:]",
            "plug.py:1: the solver returned a Tensor of float16 of shape (1, 63)",
        ),
        (
            "decoder",
            "class Net:\n    block = 4\n    def decode(self, block):\n        return None",
            "plug.py:3: decode returned None",
        ),
        (
            "weighting",
            "def Net(masses):\n    return masses[:2].float()",
            "plug.py:1: the weighting returned a Tensor of float32 of shape (2,)",
        ),
        ("weighting", "def Net(masses):\n    return 1 / 0", "plug.py:2: plug:Net: ZeroDiv"),
        (
            "autoencoder",
            "from ddoq.autoencoders.identity import Identity\nclass Net(Identity):\n"
            "    def encode(self, images, noise=None):\n        return images[:1]",
            "plug.py:3: encode returned a Tensor of float32 of shape (1, 1, 8, 8)",
        ),
        (
            "teacher",
            "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x): return x.mean()\n"
            "    def for_classes(self, ids): return self",
            "plug.py:2: plug:Net given 2 images returned a Tensor of float32 of shape ()",
        ),
    ],
)
def test_an_error_in_a_plug_in_is_the_users_with_file_and_line(
    run, argument: str, source: str, words: str
):
    code, said = run(source, argument if "=" in argument else f"{argument}=plug:Net")
    assert code == 2, said
    assert words in said
    assert "bug of ddoq" not in said
    assert len(said.splitlines()) == 2


def test_a_misspelled_name_of_what_the_program_supplies_gets_a_hint(run):
    source = "class Net:\n    def __init__(self, num_clases: int): ..."
    code, said = run(source, "student=plug:Net")
    assert code == 2
    assert "students.num_clases is missing (did you mean 'num_classes'?)" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("self.class_names = list(self.class_names)", "must be tuples of strings"),
        ("self.class_ids = ('0',) * 10", "as many and unique"),
        ("self.std = (0.1, 0.2, 0.3)", "one number per channel"),
        ("self.fingerprint = None", "fingerprint must be a string"),
        ("self.train.labels.fill_(10)", "the train split's labels run to 10"),
        ("self.channels, self.mean, self.std = 3, (0,) * 3, (1,) * 3", "not uint8 of (1, 3, 8, 8)"),
    ],
)
def test_a_source_that_is_not_what_the_program_reads_is_exit_code_3(run, line: str, words: str):
    code, said = run(DATA.format(line), "data=plug:Own")
    assert code == 3, said
    assert words in said


def test_a_source_without_an_attribute_names_it(run):
    code, said = run("class Own:\n    channels = 1", "data=plug:Own")
    assert code == 2
    assert "plug.py:1: plug:Own has no train, val, test, class_names" in said


@pytest.mark.slow
def test_an_error_in_a_worker_process_is_the_users_too(run):
    forward = (
        "    def forward(self, x):\n        return self.net(x) / (0 if self.training else 1)\n"
    )
    fails = forward.replace("/ (0", "+ (None")
    net = "        super().__init__()\n        self.net = torch.nn.Sequential(torch.nn.Flatten(), "
    source = NET + net + "torch.nn.Linear(64, num_classes))\n" + fails
    seeds = "evaluation.seeds=4"
    code, said = run(source, "student=plug:Net", seeds, "evaluation.workers=2", "threads=1")
    assert code == 2, said
    assert "plug.py:8: TypeError: unsupported operand" in said


def test_what_is_not_a_plug_ins_passes_as_it_is():
    with pytest.raises(ZeroDivisionError), blamed():
        _ = 1 / 0
    with pytest.raises(ResourceError), blamed():
        raise ResourceError("the cause", "the remedy")


def test_a_tensor_of_whole_numbers_is_not_one_of_floats():
    import torch

    with pytest.raises(UsageError, match=r"returned a Tensor of int64 of shape \(2,\)"):
        expect_tensor(torch.ones(2, dtype=torch.int64), (2,), None, "it")
