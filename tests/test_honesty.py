"""What would make a number wrong without anyone noticing?"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import ddoq
from ddoq import recipe
from ddoq.data.imagefolder import ImageFolder
from ddoq.errors import IntegrityError, UsageError
from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.measure import evaluated
from ddoq.evaluation.training import Training, training_key
from ddoq.files.artifacts import commit, fingerprint
from ddoq.recipe import Recipe
from ddoq.recipe.shipped import ROOT
from ddoq.run import Run
from ddoq.run.refusals import refuse_run

STUDENT = {"name": "convnet", "depth": 2, "width": 8}


def digits(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", "decoder=plain", *overrides]).recipe


def test_labels_of_a_set_are_read_by_class_id_and_not_by_position() -> None:
    small = ddoq.distill("digits", "decoder=plain")
    turned = torch.arange(9, -1, -1)
    other = replace(
        small,
        labels=turned[small.labels],
        class_ids=small.class_ids[::-1],
        class_names=small.class_names[::-1],
    )
    a, b = (ddoq.evaluate(s, students=[STUDENT], seeds=1)[0] for s in (small, other))
    assert a.top1 == b.top1


def test_weights_that_saw_the_test_images_are_refused() -> None:
    with pytest.raises(UsageError, match="of the test images"):
        refuse_run(Run(digits("data.split_seed=3")))


def test_a_student_does_not_depend_on_whether_its_teacher_is_loaded() -> None:
    settings = "student=[{name: timm/test_vit, patch_size: 4, drop_path_rate: 0.3}]"
    run = Run(digits(settings, "protocol=[{name: small, steps: 20}]"))
    protocol = run.make("protocol", run.recipe.protocols[0])
    synthetic = Grid.of(run).drawn(Draw(0, 0))
    training = Training(synthetic, run.recipe.students[0], protocol, 0)
    assert evaluated(run, training).loss == evaluated(run, training).loss


def test_whatever_changes_a_training_is_in_its_key() -> None:
    keys = []
    for setting in ("seed=0", "trainer.precision=16-mixed", "trainer.precision=bf16-mixed"):
        run = Run(digits(setting))
        synthetic = Grid.of(run).drawn(Draw(0, 0))
        protocol = run.make("protocol", run.recipe.protocols[0])
        keys.append(training_key(run, Training(synthetic, STUDENT, protocol, 0)))
    assert keys[0] != keys[1] != keys[2] != keys[0]


@pytest.mark.parametrize(
    "key",
    [
        *("max_steps", "limit_test_batches", "fast_dev_run", "max_epochs"),
        *("accumulate_grad_batches", "gradient_clip_val"),
    ],
)
def test_a_trainer_does_not_shorten_a_protocol(key: str) -> None:
    with pytest.raises(UsageError, match="the protocol decides how long"):
        digits(f"trainer.{key}=1")


def test_a_precision_that_images_and_teachers_do_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"trainer\.precision=bf16-true"):
        digits("trainer.precision=bf16-true")


@pytest.mark.parametrize("field", ["id: fkd", "source: nowhere", "deviations: none"])
def test_a_protocol_does_not_pose_as_another(field: str) -> None:
    with pytest.raises(UsageError, match="takes no"):
        digits(f"protocol=[{{name: small, {field}}}]")


def test_a_learning_rate_for_an_unknown_student_is_refused() -> None:
    with pytest.raises(UsageError, match="'resnet18', which is not a student here"):
        refuse_run(Run(digits("protocol=[{name: small, lr_of: {resnet18: 0.1}}]")))


def test_a_picture_moved_to_another_class_changes_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "memo"))
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (25 * i, 0, 0)).save(tmp_path / "photos" / name / f"p{i}.png")
    before = ImageFolder(root=str(tmp_path / "photos"))
    (tmp_path / "photos/a/p9.png").rename(tmp_path / "photos/b/a.png")
    after = ImageFolder(root=str(tmp_path / "photos"))
    assert before.fingerprint != after.fingerprint


def test_damaged_weights_that_the_user_gave_are_refused(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "checkpoints/digits/teacher", tmp_path / "work")
    commit(tmp_path / "work", tmp_path / "teacher")
    file = tmp_path / "teacher" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    run = Run(digits(f"teacher.source={tmp_path / 'teacher'}"))
    with pytest.raises(IntegrityError, match="another checksum"):
        _ = run.teacher


@pytest.mark.parametrize("setting", ["checkpoint_path: evil.pth", "pretrained: true"])
def test_a_student_reads_no_file_that_may_hold_code(setting: str) -> None:
    run = Run(digits(f"student=[{{name: timm/test_vit, {setting}}}]"))
    with pytest.raises(UsageError, match="may hold code"):
        refuse_run(run)


def test_a_module_beside_a_plugged_in_one_is_part_of_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "blocks.py").write_text("WIDTH = 1\n")
    (package / "nets.py").write_text("from .blocks import WIDTH\n\n\ndef net(num_classes): ...\n")
    run = Run(digits("student=mypackage.nets:net"))
    before = run.key("student", run.recipe.students[0])
    (package / "blocks.py").write_text("WIDTH = 2\n")
    assert run.key("student", run.recipe.students[0]) != before


SOURCE = """
from ddoq.data.digits import Digits
class Mine(Digits):
    def __init__(self, *, bright: bool = False):
        super().__init__()
        self.std = (0.376,)
"""


def test_a_plugged_in_source_is_known_by_its_code_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "my_source.py"
    file.write_text(SOURCE)
    words = ("data=my_source:Mine", "data.bright=true")
    first, bright = Run(digits(*words[:1])).latents_key, Run(digits(*words)).latents_key
    # The module that is loaded stays, so that only its text differs.
    file.write_text(SOURCE.replace("0.376", "0.3"))
    changed = Run(digits(*words[:1])).latents_key
    assert len({fingerprint(key) for key in (first, bright, changed)}) == 3


@pytest.mark.parametrize(
    ("solver", "library"), [("d4m", "scikit-learn"), ("faiss", "faiss"), ("lloyd", None)]
)
def test_the_version_of_a_library_is_in_the_keys_of_what_uses_it(
    solver: str, library: str | None
) -> None:
    run = Run(digits(f"distiller.solver={solver}"))
    key = run.key("distiller")["solver"]
    assert list(key.get("versions", {})) == ([library] if library else [])
    assert "versions" not in run.latents_key


def test_the_version_of_pillow_is_in_the_keys_of_what_it_crops() -> None:
    run = Run(digits())
    synthetic = Grid.of(run).drawn(Draw(0, 0))
    batched = run.make("protocol", {"name": "small_hard"})
    keys = [
        training_key(run, Training(synthetic, STUDENT, p, 0))
        for p in (batched, batched.change(pixels="pil"))
    ]
    assert ["crops" in key for key in keys] == [False, True]


def test_latents_of_a_gpu_are_not_those_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(digits())
    before = run.latents_key
    monkeypatch.setattr(run.world, "_device", torch.device("cuda"))
    assert run.latents_key != before


def _promises() -> list[str]:
    """Return what stands around every "bit for bit" in the docs and the docstrings."""
    files = [*(ROOT / "docs").glob("*.md"), *(ROOT / "ddoq").rglob("*.py"), ROOT / "README.md"]
    texts = [" ".join(f.read_text(encoding="utf-8").split()) for f in files]
    return [
        text[max(0, found.start() - 160) : found.end() + 120]
        for text in texts
        for found in re.finditer("(?<!not )bit for bit", text)
    ]


def test_equality_bit_for_bit_is_promised_of_cpus_alone() -> None:
    promises = _promises()
    assert len(promises) > 5
    assert [p for p in promises if "CPU" not in p] == []


def test_students_trained_in_processes_are_those_trained_one_by_one(tmp_path: Path) -> None:
    from ddoq.experiment import experiment
    from ddoq.report.files import read_results

    small = [
        "recipe=digits",
        "decoder=plain",
        "distiller.folds=0",
        "evaluation.baselines=[]",
        "evaluation.decoders=[]",
        "evaluation.seeds=4",
        "protocol=[{name: small, steps: 10}]",
        "student=[{name: convnet, depth: 2, width: 8}]",
    ]
    found = []
    for workers in (1, 2):
        places = [f"out={tmp_path / str(workers)}", f"cache={tmp_path / 'cache'}{workers}"]
        wanted = recipe.read([*small, *places, f"evaluation.workers={workers}"])
        found.append(read_results(experiment(wanted).folder))
    timeless = [
        [replace(r, seconds=0.0, set_seconds=0.0, peak_memory_mb=0.0) for r in rs] for rs in found
    ]
    assert timeless[0] == timeless[1]
    assert len(timeless[0]) == 4
