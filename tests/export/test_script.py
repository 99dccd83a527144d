"""Does the script of an export train as the run did, without ddoq?"""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from scipy.stats import ttest_ind

import ddoq
from ddoq import recipe
from ddoq.data.digits import Digits
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result, Score
from ddoq.export.command import main
from ddoq.export.exported import Exported
from ddoq.export.plan import plan_of
from ddoq.export.run_folder import find
from ddoq.export.script import train_script
from ddoq.export.supplied import Supplied
from ddoq.export.writer import png
from ddoq.export.writers import WRITERS
from ddoq.protocols.presets import PRESETS
from ddoq.protocols.protocol import Protocol
from ddoq.students.student import lr_factor
from ddoq.synthetic import SyntheticSet

SEEDS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A run's folder, with test pictures in it, and its accuracies."""
    folder = tmp_path_factory.mktemp("trained")
    results = ddoq.compare(
        "digits",
        "distiller.folds=0",
        decoder="plain",
        images_per_class=10,
        student={"name": "convnet", "depth": 2, "width": 32},
        protocol="small_hard",
        seeds=4,
        redraw=False,
        decoders=[],
        baselines=[],
        out=str(folder / "run"),
    )
    split = Digits().test
    for i, label in enumerate(split.labels.tolist()):
        (folder / "test" / str(label)).mkdir(parents=True, exist_ok=True)
        picture = png(split.read(torch.tensor([i]), 8)[0])
        (folder / "test" / str(label) / f"{i}.png").write_bytes(picture)
    return folder, [r.top1 for r in results]


def accuracies(printed: str) -> list[float]:
    return [float(x) / 100 for x in re.findall(r"seed \d+: ([\d.]+) %", printed)]


def test_the_script_comes_to_the_accuracy_of_the_run(trained, tmp_path, alone):
    folder, ours = trained
    main([str(folder / "run"), "to=parquet", f"out={tmp_path / 'out'}"])
    printed = alone(tmp_path / "out" / "train.py", folder / "test", "--seeds", str(SEEDS))
    theirs = accuracies(printed)
    span = ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert len(theirs) == SEEDS
    assert span.low < 0.005, (ours, theirs)
    assert span.high > -0.005, (ours, theirs)
    mean = f"{100 * sum(ours) / len(ours):.1f} ± "
    assert f"expected: {mean}" in printed


def test_the_script_trains_on_learned_images(trained, tmp_path, alone):
    folder, ours = trained
    synthetic, _ = find(folder / "run")
    noise = 0.1 * torch.randn(synthetic.images.shape, generator=torch.Generator().manual_seed(0))
    images = synthetic.images / 255 + noise
    assert float(images.min()) < 0 < 1 < float(images.max())
    replace(synthetic, images=images, space="image").save(tmp_path / "run" / "synthetic")
    for name in ("recipe.yaml", "results.csv", "summary.json"):
        (tmp_path / "run" / name).write_bytes((folder / "run" / name).read_bytes())
    main([str(tmp_path / "run"), "to=webdataset", f"out={tmp_path / 'out'}"])
    (theirs,) = accuracies(alone(tmp_path / "out" / "train.py", folder / "test"))
    assert theirs > min(ours) - 0.05


def script_of(protocol: Protocol, synthetic: SyntheticSet, **more: Any) -> str:
    exported = Exported(synthetic, mean=(0.4,) * 3, std=(0.2,) * 3, **more)
    sized = protocol.on(synthetic.images_per_class, synthetic.num_classes, 8)
    _, origin = find(Path("set"))
    plan = plan_of(exported, origin, Supplied(protocols=(sized,)))
    return train_script(exported, WRITERS["torch"], plan)


def opened(text: str) -> dict[str, Any]:
    """Run a script's definitions, but not its training."""
    names: dict[str, Any] = {"__name__": "script", "__file__": str(Path.cwd() / "out" / "train.py")}
    exec(compile(text, "train.py", "exec"), names)
    return names


@pytest.fixture
def color_folder(color_set, tmp_path, monkeypatch) -> SyntheticSet:
    """The set, exported to `out` in the working directory."""
    monkeypatch.chdir(tmp_path)
    color_set.save("set")
    main(["set", "to=torch", "out=out"])
    return color_set


HARD = PRESETS["small_hard"]
WITH_TARGETS = PRESETS["small_hard"].change(labels="targets", loss="mse")
BY_DRAWING = PRESETS["small_hard"].change(weights="sampler", schedule="constant", warmup=0.0)


@pytest.mark.parametrize(
    "protocol", [*PRESETS.values(), WITH_TARGETS, BY_DRAWING], ids=lambda p: p.id
)
def test_a_script_of_every_protocol_has_its_rate_and_trains(color_folder, protocol: Protocol):
    soft = color_folder.targets
    whose = "teacher" if protocol.labels == "soft" else "targets"
    names = opened(script_of(protocol, color_folder, soft_labels=soft, soft_of=whose))
    sized = protocol.on(2, 3, 8)
    per_epoch = -(-6 // min(6, sized.batch_size))
    total = sized.num_steps(6)
    assert total == names["STEPS"]
    for step in (0, total // 100, total // 3, 2 * total // 3 + 1, total - 1):
        done = step - step % per_epoch if sized.schedule_per == "epoch" else step
        assert names["factor"](step) == pytest.approx(lr_factor(sized, done / total), abs=1e-9)
    names["train"].__globals__["STEPS"] = 2
    images, labels, weights, read = names["read"]()
    target = read if protocol.labels != "hard" else None
    net = names["train"](images, labels, weights.float(), target, 0)
    assert bool(net(images.to(names["DEVICE"])).isfinite().all())


def test_settings_that_a_script_lacks_are_named(color_folder):
    text = script_of(PRESETS["rded"].change(patches=2), color_folder)
    told = " ".join(text.split('"""')[1].split())
    assert "Not reproduced: a teacher that labels every augmented crop anew" in told
    for setting in ("patches=2", "mix=cutmix", "reported=best", "evaluations=5"):
        assert setting in told
    assert "Not reproduced" not in script_of(PRESETS["small_hard"], color_folder)


def test_a_script_that_lacks_the_whitening_claims_no_normalization_and_no_agreement(color_folder):
    text = " ".join(script_of(PRESETS["mtt_zca"], color_folder).split('"""')[1].split())
    assert "weights, but not the whitening. Not reproduced: dsa=" in text
    assert "whiten=zca. So its accuracy is not that of the run." in text
    assert not [
        claim for claim in ("and normalization", "agreement", "uses_hints") if claim in text
    ]


@pytest.mark.parametrize("is_of_run", [True, False])
def test_a_script_that_does_not_know_the_normalization_says_so(color_folder, is_of_run: bool):
    exported, (_, origin) = Exported(color_folder), find(Path("set"))
    supplied = Supplied(protocols=(HARD.on(2, 3, 8),) if is_of_run else ())
    text = train_script(exported, WRITERS["torch"], plan_of(exported, origin, supplied))
    reproduced, _, rest = " ".join(text.split('"""')[1].split()).partition("Not reproduced: ")
    assert reproduced.rstrip().endswith("crops and weights.")
    assert "normalization by mean and std of the real images" in rest
    assert ("the run's own network and protocol" in rest) == (not is_of_run)
    assert rest.endswith("So its accuracy is not that of the run.")
    comment = "# mean and std of these images, as those of the real ones are not known"
    assert f"{comment}\nMEAN = " in text
    assert len(text.splitlines()) <= 3 * 55


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small_hard", "expected: 90.0 (n=1) % under small_hard"),
        ("small", "expected: unknown (no score of a ConvNet under small+labels=hard"),
        ("mtt_zca", "not comparable: the run's 90.0 (n=1) % under mtt_zca is with dsa="),
    ],
)
def test_a_score_is_to_be_expected_only_of_what_the_script_does(color_folder, name: str, said: str):
    told = {"image_size": 8, "recipe": recipe.read(["recipe=digits", "student=convnet"]).recipe}
    run = {"distiller": "mine", "images_per_class": 2, "student": "convnet", "protocol": name}
    numbers = dict.fromkeys(("top5", "loss", "seconds", "peak_memory_mb"), 0.0)
    result = Result(**run, seed=0, top1=0.9, labels="hard", set_seed=0, **numbers)
    origin = replace(find(Path("set"))[1], results=Results([result]))
    sized = PRESETS[name].on(2, 3, 8)
    exported = Exported(color_folder, mean=(0.4,) * 3, std=(0.2,) * 3)
    plan = plan_of(exported, origin, Supplied(protocols=(sized,), **told))
    assert opened(train_script(exported, WRITERS["torch"], plan))["EXPECTED"].startswith(said)
    unknown = Exported(color_folder)
    plan = plan_of(unknown, origin, Supplied(protocols=(sized,), **told))
    text = train_script(unknown, WRITERS["torch"], plan)
    assert not opened(text)["EXPECTED"].startswith("expected: 90")


def test_soft_labels_are_used_if_they_are_a_teachers(color_folder):
    soft = {"soft_labels": color_folder.targets, "soft_of": "teacher"}
    assert "--labels" in script_of(PRESETS["small"], color_folder, **soft)
    assert "--labels" not in script_of(PRESETS["small"], color_folder)


def test_names_of_others_end_no_string(color_folder):
    evil = replace(PRESETS["small_hard"], id='x""" + boom\\')
    assert opened(script_of(evil, color_folder))["EXPECTED"].startswith("expected: unknown")


def test_a_folder_of_test_pictures_is_checked_before_the_training(color_folder, tmp_path, capsys):
    read = opened(script_of(PRESETS["small_hard"], color_folder))["pictures"]

    def refused(words: str) -> None:
        with pytest.raises(SystemExit, match=words):
            read(tmp_path / "pictures")

    refused("there is no such folder")
    (tmp_path / "pictures" / "two").mkdir(parents=True)
    refused(r"no pictures \(\.bmp, .*in folders of classes")
    (tmp_path / "pictures" / "two" / "a.webp").write_bytes(b"no picture")
    refused(r"a\.webp: it cannot be read as a picture")
    Image.new("RGB", (9, 8)).save(tmp_path / "pictures" / "two" / "a.webp")
    (tmp_path / "pictures" / "two" / "b.txt").touch()
    assert [label for _, label in read(tmp_path / "pictures")] == [1]
    said = capsys.readouterr().out
    assert "no pictures of 10, 1" in said
    assert "1 files left out, which are no pictures, such as " in said
    (tmp_path / "pictures" / "train").mkdir()
    refused("train is no class of this set, as 10, 2, 1 or ten, two, one are")


def of_two_steps(script: Path) -> Path:
    script.write_text(re.sub(r"STEPS, BATCH = \d+", "STEPS, BATCH = 2", script.read_text()))
    return script


def test_a_script_without_test_pictures_says_before_it_trains_that_it_measures_nothing(
    color_folder, alone, monkeypatch
):
    script = of_two_steps(Path("out/train.py"))
    text = script.read_text().replace("    torch.manual_seed(seed)", '    print("training")')
    script.write_text(text)
    first, *rest = alone(script).splitlines()
    assert first == "nothing will be measured without FOLDER, test pictures by class"
    assert rest == ["training", "nothing was measured (FOLDER was not given), nothing was saved"]


@pytest.mark.parametrize("number", [1, 2, 8, 11, 12, 40])
def test_a_script_prints_the_interval_of_students_t(color_folder, monkeypatch, capsys, number: int):
    found = [0.5 + 0.01 * (seed * 7 % 5) + 0.001 * seed for seed in range(number)]
    text = re.sub(r"(?m)^def accuracy\(", "def unused(", script_of(HARD, color_folder))
    text = text.replace("net = train(", "net = (").replace("accuracy(net, test)", "FOUND[seed]")
    names = {"__name__": "__main__", "__file__": str(Path.cwd() / "out" / "train.py")}
    Path("test/two").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save("test/two/a.png")
    monkeypatch.setattr("sys.argv", ["train.py", "test", "--seeds", str(number)])
    exec(compile(text, "train.py", "exec"), {**names, "FOUND": found})
    last, score = capsys.readouterr().out.splitlines()[-1], Score(tuple(found))
    half = f" ± {100 * score.half_width:.2f}" if score.half_width else ""
    assert last == f"accuracy {100 * score.mean:.2f}{half} % (n={number})"


def test_a_score_to_expect_is_printed_only_if_all_classes_were_tested(color_folder, alone):
    script = of_two_steps(Path("out/train.py"))
    for name in ("two", "ten", "one"):
        Path("test", name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(f"test/{name}/a.png")
        assert ("expected: " in alone(script, "test")) == (name == "one")


def test_a_script_says_how_far_it_is(color_folder, capsys):
    names = opened(script_of(PRESETS["small_hard"], color_folder))
    clock = SimpleNamespace(monotonic=itertools.count(step=4).__next__)
    names["train"].__globals__.update(STEPS=3, time=clock)
    images, labels, weights, _ = names["read"]()
    names["train"](images, labels, weights.float(), None, 7)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"seed 7: step 1 of 3, loss \d\.\d{3}, 8 s left", lines[0])
    assert lines[-1].endswith(", 0 s left")


def test_a_script_fits_on_three_screens(color_folder):
    assert len(script_of(PRESETS["small_hard"], color_folder).splitlines()) <= 3 * 55
