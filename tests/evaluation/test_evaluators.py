"""Can a set be turned into numbers by something of a user's own, that trains nothing?"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.kernel_ridge import KernelRidge
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

from ddoq import fit, recipe
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.evaluation.measure import Measure, measure
from ddoq.evaluation.training import Training, training_key
from ddoq.report.files import read_results
from ddoq.run import Run
from ddoq.run.refusals import refuse_run

ROOT = Path(__file__).parents[2]
KERNEL = '''
import torch
from ddoq.data.conversion import as_floats
from ddoq.evaluation.measure import Measure, measured


class Kernel:
    """Regression of labels on pixels, by a linear kernel."""

    def __init__(self, *, ridge: float = 0.1):
        self.ridge = ridge

    def measure(self, run, training, work, labels):
        s = training.taught
        x = as_floats(s.images).flatten(1).double()
        y = torch.eye(s.num_classes, dtype=torch.float64)[s.labels]
        dual = torch.linalg.solve(x @ x.T + self.ridge * torch.eye(len(x)), y)
        images, labels = (torch.cat(t) for t in zip(*measured(run, training.protocol)))
        return Measure.of((images.flatten(1).double() @ x.T @ dual).float(), labels)
'''
OTHERS = ["recipe=digits", "decoder=plain", "distiller.folds=0", "evaluation.seeds=2"]
OTHERS += ["evaluation.workers=1", "evaluation.decoders=[]"]
STUDENT = "student={name: convnet, depth: 1, width: 2}"


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a command line whose working directory holds a user's evaluator."""
    (tmp_path / "kernels.py").write_text(KERNEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kernels", raising=False)
    return [*OTHERS, STUDENT, f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]


@pytest.fixture
def make_training(arguments) -> Callable[[str], tuple[Run, Training]]:
    """Return a function that makes a run and a training under a protocol."""

    def make(protocol: str) -> tuple[Run, Training]:
        run = Run(recipe.read([*arguments, f"protocol={protocol}"]).recipe)
        made = run.make("protocol", run.recipe.protocols[0])
        subset = run.images.subset(torch.arange(0, 600, 6))
        return run, Training(subset, run.recipe.students[0], made, 0)

    return make


@pytest.mark.parametrize("name", ["kernels:Kernel", "loops:Loop"])
def test_the_evaluators_of_the_docs_measure_a_set(make_training, tmp_path: Path, name: str) -> None:
    module = name.split(":")[0]
    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    code = text.split(f"```python\n# {module}.py\n")[1].split("```")[0]
    (tmp_path / f"{module}.py").write_text(code)
    sys.modules.pop(module, None)
    assert measure(*make_training(f"{{name: small_hard, evaluator: {name}}}")).top1 > 0.7


def test_a_users_evaluator_fills_the_table_and_the_report(arguments, tmp_path: Path) -> None:
    fit.main([*arguments, "protocol={name: small_hard, evaluator: kernels:Kernel}"])
    results = read_results(tmp_path / "out")
    assert {r.protocol for r in results} == {"small_hard+evaluator=kernels:Kernel(ridge=0.1)"}
    assert {r.distiller for r in results} == {"ddoq", "random", "full"}
    assert all(r.top1 > 0.3 for r in results)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "protocol small_hard+evaluator=kernels:Kernel(ridge=0.1)" in page
    # Nothing was trained.
    assert not list((tmp_path / "cache" / "training").glob("*/losses.safetensors"))


def test_it_measures_what_scikit_learn_does(make_training) -> None:
    run, one = make_training("{name: small_hard, evaluator: {name: kernels:Kernel, ridge: 3.0}}")
    images: Images = run.images
    x, test = (
        as_floats(t).flatten(1).double() for t in (one.synthetic.images, images.pixels("test"))
    )
    theirs = KernelRidge(alpha=3.0).fit(x, F.one_hot(one.synthetic.labels)).predict(test)
    right = torch.from_numpy(theirs).argmax(1) == images.test.labels
    assert measure(run, one).top1 == pytest.approx(float(right.float().mean()))


def test_its_code_and_settings_are_in_the_key(make_training, tmp_path: Path) -> None:
    first, changed, plain = (
        training_key(*make_training(f"{{name: small_hard, evaluator: {e}}}"))
        for e in ("kernels:Kernel", "{name: kernels:Kernel, ridge: 2.0}", "train")
    )
    assert first["evaluator"]["ridge"] == 0.1
    (tmp_path / "kernels.py").write_text(KERNEL + "\n# changed\n")
    other = training_key(*make_training("{name: small_hard, evaluator: kernels:Kernel}"))
    assert len({json.dumps(k, sort_keys=True) for k in (first, changed, plain, other)}) == 4


def test_naming_the_usual_evaluator_is_no_change(make_training) -> None:
    named, plain = (make_training(p)[1] for p in ("{name: small, evaluator: train}", "small"))
    assert named.wanted == plain.wanted


@pytest.mark.parametrize(
    ("evaluator", "words"),
    [
        ("{name: kernels:Kernel, rigde: 1.0}", "takes no 'rigde' .did you mean 'ridge'"),
        ("{name: kernels:Kernel, ridge: soft}", "'soft' is not a number"),
        ("kernel", "there is no 'kernel'"),
        ("{ridge: 1.0}", "the block has no name"),
    ],
)
def test_an_evaluator_is_checked_as_every_component(
    make_training, evaluator: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_training(f"{{name: small_hard, evaluator: {evaluator}}}")


def test_a_recipe_file_does_not_bring_an_evaluator_unless_it_is_allowed(
    arguments, tmp_path
) -> None:
    file = tmp_path / "sent.yaml"
    file.write_text("protocols: [{name: small_hard, evaluator: 'kernels:Kernel'}]\n")
    with pytest.raises(UsageError, match="names code to run: kernels:Kernel"):
        recipe.read([f"recipe={file}"])


def test_what_is_no_evaluator_is_refused_before_anything_runs(make_training, tmp_path) -> None:
    (tmp_path / "kernels.py").write_text("class Kernel: ...")
    run, _ = make_training("{name: small_hard, evaluator: kernels:Kernel}")
    with pytest.raises(UsageError, match="kernels:Kernel has no measure"):
        refuse_run(run)


def test_what_returns_no_measure_is_the_users_error(make_training, tmp_path) -> None:
    (tmp_path / "kernels.py").write_text(
        "class Kernel:\n    def measure(self, *training): return 0.9"
    )
    run, one = make_training("{name: small_hard, evaluator: kernels:Kernel}")
    with pytest.raises(UsageError, match=r"kernels.py:2: measure returned a float"):
        measure(run, one)


def test_numbers_come_to_what_the_metrics_of_a_training_say() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 7, generator=draw), torch.randint(7, (50,), generator=draw)
    found = Measure.of(logits, labels)
    assert found.top1 == found.last_top1 == found.best_top1
    assert found.top1 == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert found.top5 == pytest.approx(float(MulticlassAccuracy(7, 5, "micro")(logits, labels)))
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, labels)))
    calibration = MulticlassCalibrationError(7)(logits.softmax(1), labels)
    assert found.ece == pytest.approx(float(calibration))
    assert found.of_class == MulticlassAccuracy(7, average="none")(logits, labels).tolist()
