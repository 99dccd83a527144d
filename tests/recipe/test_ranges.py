import ast
import subprocess
import sys

import pytest

from ddoq.errors import UsageError
from ddoq.recipe import read
from ddoq.recipe.kinds import KINDS, PRETRAINERS
from ddoq.recipe.ranges import range_of, refuse_unusable
from ddoq.recipe.signature import signature

DEEP = "[" * 400 + "]" * 400
# Any whole number is a seed; a mean may lie anywhere.
_UNBOUNDED = {"seed", "split_seed", "mean", "normalized"}


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("threads=0", "threads is at least 1"),
        ("threads=-3", "threads is at least 1"),
        ("decoder.block=0", "decoder.block is at least 1"),
        ("decoder.steps=-1", "decoder.steps is at least 1"),
        ("decoder.strength=1.5", "decoder.strength is at least 0 and at most 1"),
        ("distiller.images_per_class=0", "is at least 1"),
        ("distiller.solver={name: clvq, chunk: 0}", "distiller.solver.chunk is at least 1"),
        ("pretrain.teacher.lr=0", "pretrain.teacher.lr is above 0"),
        ("pretrain.teacher.lr=.nan", "takes finite numbers"),
        ("pretrain.teacher.crop=[0.5, 1.5]", "is above 0 and at most 1"),
        ("pretrain.prior.steps=.inf", "takes finite numbers"),
        ("student={name: convnet, depth: -1}", "student.depth is at least 1"),
        ("student={name: resnet, width: 0}", "student.width is at least 1"),
        ("student={name: timm/test_vit, drop_path_rate: .nan}", "takes finite numbers"),
        ("protocol=[{name: small, lr: -1.0}]", "protocol.lr is above 0"),
        ("protocol=[{name: small, lr_of: {convnet: 0}}]", "protocol.lr_of is above 0"),
        ("data.test_share=1.0", "data.test_share is at least 0 and below 1"),
        ("evaluation.seeds=0", "evaluation.seeds is at least 1"),
        ("evaluation.workers=0", "evaluation.workers is at least 1"),
        ("evaluation.images_per_class=[1, 0]", "is at least 1"),
        ("evaluation.decoders=[{name: dit, block: 0}]", "decoders.block is at least 1"),
        ("students=[]", "name one or more"),
        ("protocols=[]", "name one or more"),
        ("seed=99999999999999999999", "at most 64 bits"),
        ("trainer.gradient=-.inf", "takes finite numbers"),
        (f"seed={DEEP}", "a few blocks deep"),
        (f"data.root={'[' * 25}{']' * 25}", "a few blocks deep"),
    ],
)
def test_a_number_that_no_run_could_use_is_refused_with_its_range(argument: str, words: str):
    with pytest.raises(UsageError) as caught:
        read(["recipe=digits", argument])
    assert words in caught.value.remedy


def test_a_recipe_file_nested_without_end_is_refused(tmp_path):
    (tmp_path / "deep.yaml").write_text(f"data: {DEEP}")
    with pytest.raises(UsageError, match="nested too deep"):
        read([f"recipe={tmp_path / 'deep.yaml'}"])


def test_of_the_nested_settings_the_wrong_one_is_named():
    with pytest.raises(UsageError, match=r"a\.b\.c=nan"):
        refuse_unusable("a", {"b": [{"c": float("nan")}]})


def _numeric() -> list[tuple[str, str]]:
    """Return (component, setting) for every number that a recipe can set."""
    targets = [(t, k.supplies) for k in KINDS.values() for t in dict.fromkeys(k.table.values())]
    targets += [(target, ("run", "work")) for target in PRETRAINERS.values()]
    targets += [("ddoq.recipe.schema:Recipe", ()), ("ddoq.recipe.schema:Evaluation", ())]
    return [
        (target, name)
        for target, supplied in targets
        for name, (annotation, _) in signature(target).parameters.items()
        if name not in supplied and annotation is not None
        if {"int", "float"} & {getattr(n, "id", "") for n in ast.walk(annotation)}
    ]


@pytest.mark.parametrize(("target", "name"), _numeric())
def test_every_number_that_can_be_set_has_a_range(target: str, name: str):
    assert name in _UNBOUNDED or range_of(target, name) is not None


def test_a_users_own_component_has_ranges_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "ownnet.py").write_text("class Net:\n    def __init__(self, *, depth: int): ...")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = read(["recipe=digits", "student=[{name: ownnet:Net, depth: -1}]"]).recipe
    assert recipe.students[0]["depth"] == -1


_READ = """
import sys, time
start = time.perf_counter()
from ddoq.recipe import read
try:
    read(sys.argv[1:])
except ValueError:
    heavy = {"torch", "lightning", "timm", "diffusers"} & sys.modules.keys()
    sys.exit(0 if not heavy and time.perf_counter() - start < 1 else 1)
"""


@pytest.mark.parametrize(
    "argument", ["threads=0", "decoder.block=0", "pretrain.teacher.lr=.nan", "students=[]"]
)
def test_it_is_refused_within_a_second_and_without_a_heavy_import(environment, argument: str):
    command = [sys.executable, "-c", _READ, "recipe=digits", argument]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0
