"""Are sets that others made scored in one table, and refused where their numbers would mislead?"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import ddoq
from ddoq import recipe, score
from ddoq.data.digits import Digits
from ddoq.data.whitening import whitening
from ddoq.errors import DataError, UsageError
from ddoq.evaluation.rows import entries
from ddoq.export.command import main as export
from ddoq.report.files import read_results
from ddoq.synthetic import SyntheticSet

STUDENT = "students=[{name: convnet, depth: 1, width: 8}]"
PROTOCOL = "protocol={name: mtt_zca, epochs: 30}"


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of sets of two images of each digit (ours of one), as programs save them."""
    root, data = tmp_path_factory.mktemp("sets"), Digits()
    rows = torch.cat([data.train.of_class(label)[:2] for label in range(10)])
    pixels, labels = data.train.read(rows, 8), data.train.labels[rows]
    noise = 0.02 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    images = pixels / 255 + noise
    torch.save(((images - 0.305) / 0.376, 0.8 * torch.eye(10)[labels] + 0.02, 0.02), root / "dd.pt")
    zca = whitening([data.train.read(torch.arange(len(data.train)), 8) / 255], 64)
    (root / "mtt").mkdir()
    held = {"images_best": zca.forward(images), "labels_best": labels, "lr": 0.015}
    for name, value in held.items():
        torch.save(value, root / "mtt" / f"{name}.pt")
    for number, (image, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
        folder = root / "rded" / f"new{label:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"class{label:05d}_id{number:05d}.jpg")
    ids = data.class_ids
    ours = SyntheticSet(pixels[::2], labels[::2], torch.ones(10), ids, ids)
    ours.save(root / "ours" / "synthetic")
    test = torch.cat([data.test.of_class(label)[:1] for label in range(10)])
    torch.save((data.test.read(test, 8), data.test.labels[test]), root / "cheat.pt")
    return root


def command(sets: Path, *more: str) -> list[str]:
    others = (
        f"sets=[{{path: {sets / 'dd.pt'}, normalized: data, name: dd}}, "
        f"{{path: {sets / 'mtt'}, normalized: zca}}, {{path: {sets / 'rded'}, classes: order}}]"
    )
    return [str(sets / "ours"), others, PROTOCOL, STUDENT, "seeds=2", *more]


def test_four_sets_of_four_programs_stand_in_one_table(sets: Path, capsys):
    alone = ("evaluation.workers=1", "evaluation.pushforward=false")
    score.main(command(sets, "out=scored", *alone))
    part = read_results(Path("scored")).only
    rows = [(r.distiller, r.images_per_class) for r in part.rows]
    of_two = [("dd", 2), ("mtt", 2), ("rded", 2), ("random", 2)]
    assert rows == [("ours", 1), ("random", 1), *of_two, ("full", 0)]
    assert {c.a.distiller for c in part.comparisons} == {"ours", "dd"}
    found = {r.distiller: r for r in part.ours}
    assert found["dd"].read == "data undone, classes by ids, 20 training images"
    assert found["mtt"].read == "zca undone, classes by ids, 20 training images"
    assert found["rded"].read.startswith("classes by order")
    assert found["dd"].note == "one set, targets not read"
    assert min(r.top1 for r in part.ours if r.images_per_class == 2) > 0.25
    shown = " ".join(capsys.readouterr().out.split())
    assert "mtt: zca undone, classes by ids, 20 training images" in shown
    assert "lr: THE SET'S OWN" in shown


def test_a_dry_run_names_the_sets_and_trains_nothing(sets: Path, capsys):
    score.main(command(sets, "out=dry", "cache=dry_cache", "dry_run=true"))
    shown = capsys.readouterr().out
    assert all(f"set {name}" in shown for name in ("ours", "dd", "mtt", "rded"))
    assert "whitening" in shown
    assert "look for copies" in shown
    assert "of 539 test images, refused in sets" in shown
    assert re.search(r"about [\d.]+ (s|min) for 13 trainings( in \d+ processes)?, if none", shown)
    assert not list(Path("dry_cache").rglob("whitening*"))
    assert not Path("dry").exists()
    assert not list(Path("dry_cache").rglob("measure.json"))


def test_a_dry_run_refuses_what_the_run_would_refuse(sets: Path):
    alone = [str(sets / "mtt"), "cache=dry_cache", "dry_run=true", PROTOCOL, STUDENT]
    with pytest.raises(DataError, match=r"mtt: the images range[\s\S]*zca was not tried"):
        score.main(alone)
    with pytest.raises(DataError, match=r"mtt: with data undone.*contrast"):
        score.main([*alone, "normalized=data"])


def test_the_saved_recipe_repeats_the_score(sets: Path):
    invocation = score.read(command(sets, "cache=scored_cache"))
    invocation.recipe.save(Path("again.yaml"))
    again = recipe.read(["recipe=again.yaml"]).recipe
    assert entries(again) == entries(invocation.recipe)


def test_a_scored_recipe_lends_its_settings_to_no_other_set(sets: Path):
    first = score.read([str(sets / "ours"), "lr=0.5", "weights=ignore", "allow_test_images=true"])
    first.recipe.save(Path("first.yaml"))
    again = score.read([str(sets / "ours"), "recipe=first.yaml"]).recipe.distiller
    assert (again["lr"], again["weights"], again["allow_test_images"]) == (None, None, False)


def test_a_set_of_uneven_classes_stands_beside_as_many_random_images(sets: Path):
    whole = SyntheticSet.load(sets / "ours" / "synthetic")
    rows = torch.tensor([0, 0, 0, *range(10)])
    uneven = SyntheticSet(
        whole.images[rows], whole.labels[rows], torch.ones(13), whole.class_names, whole.class_ids
    )
    uneven.save("uneven")
    wanted = score.read(["uneven", "baselines=[random]"]).recipe
    assert [row.size.total(10) for row in entries(wanted)] == [13, 13]
    stranger = {**wanted.distiller, "budget": 50}
    with pytest.raises(UsageError, match=r"it has 13 images.*and not 50"):
        ddoq.distill("digits", distiller=stranger)


def test_a_set_in_memory_is_looked_at_for_test_images_too(sets: Path):
    with pytest.raises(DataError, match="10 of its 10 images are copies of test images"):
        ddoq.evaluate(ddoq.load(sets / "cheat.pt"), seeds=1, baselines=[])


def test_test_images_in_a_set_are_refused_or_said(sets: Path):
    how = {"protocol": {"name": "small_hard", "steps": 5}, "seeds": 1, "baselines": []}
    with pytest.raises(DataError, match=r"10 of its 10 images are copies of test images"):
        ddoq.evaluate(sets / "cheat.pt", **how)
    cheat = {"path": str(sets / "cheat.pt"), "allow_test_images": True}
    [result] = ddoq.evaluate(cheat, students=[{"name": "convnet", "depth": 1}], **how)
    assert result.note == "10 TEST IMAGES IN IT"


def test_wrong_preprocessing_is_refused_by_the_command(sets: Path):
    with pytest.raises(DataError, match=r"mtt: the images range.*what was done"):
        ddoq.load(sets / "mtt")
    with pytest.raises(DataError, match=r"mtt: with data undone.*contrast"):
        ddoq.load(sets / "mtt", recipe="digits", normalized="data")
    with pytest.raises(DataError, match=r"dd.pt: normalized=zca.*beyond"):
        ddoq.load(sets / "dd.pt", recipe="digits", normalized="zca")


def test_what_is_odd_about_a_set_stands_in_the_caption(sets: Path):
    rows = torch.arange(0, 20, 2)
    held = torch.load(sets / "dd.pt")
    flat = torch.cat([held[0][rows[:9]], torch.zeros(1, 1, 8, 8)])
    torch.save((flat, held[1][rows]), sets / "flat.pt")
    with pytest.warns(UserWarning, match=r"flat\.pt: the images have one color each, in 1 of 10"):
        read = ddoq.load(sets / "flat.pt", recipe="digits", normalized="data").provenance["read"]
    assert "data undone, one color each, in 1 of 10, classes by ids" in read


def test_what_ddoq_exported_is_not_doubted(sets: Path):
    bright = SyntheticSet.load(sets / "ours" / "synthetic")
    replace(bright, images=255 - bright.images).save(sets / "bright")
    export([str(sets / "bright"), "to=parquet", f"out={sets / 'exported'}"])
    assert ddoq.load(sets / "exported", recipe="digits").provenance["read"] == "classes by ids"


def test_python_scores_several_sets_and_tells_equal_names_apart(sets: Path):
    ours = ddoq.load(sets / "ours")
    how = {"protocol": {"name": "small_hard", "steps": 5}, "seeds": 1, "baselines": ["random"]}
    other = {"path": sets / "dd.pt", "normalized": "data"}
    student = {"name": "convnet", "depth": 1, "width": 4}
    results = ddoq.evaluate([ours, ours, other], students=[student], **how)
    rows = [(r.distiller, r.images_per_class) for r in results.only.rows]
    assert rows == [("given", 1), ("given 2", 1), ("random", 1), ("dd", 2), ("random", 2)]


def test_images_of_another_size_are_refused_unless_resizing_is_asked_for(sets: Path):
    how = {"recipe": "digits"}
    big = ddoq.load(sets / "ours").images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.save((big.repeat(1, 3, 1, 1), torch.arange(10)), sets / "big.pt")
    with pytest.raises(DataError, match=r"3x16x16, the data's 1x8x8[\s\S]*resize=true"):
        ddoq.load(sets / "big.pt", **how)
    small = ddoq.load(sets / "big.pt", resize=True, **how)
    assert small.provenance["read"].startswith("resized from 3x16x16, classes by ids")
    assert (small.images.float() - ddoq.load(sets / "ours").images).abs().mean() < 20


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no set was given"),
        (["ours", "ours"], "called 'ours' already"),
        (["sets=[{path: ours, name: random}]"], "'random' already"),
        (["sets=[{path: ours, normalize: zca}]"], "did you mean 'normalized'"),
        (["sets=[{name: a}]"], "has no path"),
        (["ours", f"normali{'s'}ed=zca"], "did you mean 'normalized=...'"),
        (["ours", "class=order"], "did you mean 'classes=...'"),
        (["ours", "soft_labels=a.pt"], "did you mean 'targets=...'"),
        (["ours", "learning_rate=1"], "did you mean 'lr=...'"),
        (["ours", "students_=1"], "did you mean 'students'"),
        (["ours", "classes=number"], "'number' is not one of ids, names, order"),
        (["ours", "normalized=cifar"], "use none, data"),
        (["ours", "normalized=zca"], "never normalized"),
        (["nowhere.pt"], "no such file"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_error(sets: Path, argv, words: str, monkeypatch):
    monkeypatch.chdir(sets)
    with pytest.raises((UsageError, DataError), match=words):
        score.main(argv)


def test_a_given_set_stands_in_any_table_of_its_size(sets: Path):
    given = f"distillers=[{{name: given, path: {sets / 'ours'}}}]"
    wanted = recipe.read(["recipe=digits", f"evaluation.{given}"]).recipe
    rows = [e for e in entries(wanted) if e.distiller["name"] == "given"]
    assert [(e.labels["distiller"], e.size.images_per_class) for e in rows] == [("ours", 1)]
