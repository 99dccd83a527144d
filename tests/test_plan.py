"""Does a plan say what is there, what is not, and nothing twice?"""

from pathlib import Path

from ddoq import recipe
from ddoq.plan import plan, training
from ddoq.run import Run


def run(tmp_path: Path, *overrides: str) -> Run:
    return Run(recipe.read(["recipe=digits", f"cache={tmp_path}", *overrides]).recipe)


def test_a_fresh_cache_has_everything_to_do(tmp_path: Path) -> None:
    states = {s.what: s.state for s in plan(run(tmp_path))}
    assert states["teacher"] == "given"
    assert states["latents"] == states["quantization"] == states["students (small)"] == "to do"


def test_points_that_several_rows_share_are_counted_once(tmp_path: Path) -> None:
    steps = [s for s in plan(run(tmp_path)) if s.what == "quantization"]
    assert [s.needs for s in steps] == ["5 of 5 sets of 10"]


def test_a_finished_stage_is_cached(tmp_path: Path) -> None:
    finished = run(tmp_path)
    assert finished.latents.counts[0] == 113
    assert {s.what: s.state for s in plan(finished)}["latents"] == "cached"


def test_weights_to_train_are_told_with_their_length(tmp_path: Path) -> None:
    sources = ["autoencoder.source=pretrain", "teacher.source=pretrain"]
    steps = list(training(run(tmp_path, *sources, "pretrain.teacher.steps=7")).values())
    assert [s.what for s in steps] == ["pretrain teacher", "pretrain autoencoder"]
    assert steps[0].needs == "7 steps of 64 images 1x8x8"


def test_classes_with_fewer_images_than_are_asked_for_are_named(tmp_path: Path) -> None:
    steps = {s.what: s.needs for s in plan(run(tmp_path, "distiller.images_per_class=112"))}
    assert steps["images per class"] == "fewer than 112 in 1 class: 8 (110); all of them are used"
    assert "images per class" not in {s.what for s in plan(run(tmp_path))}


def test_a_prior_that_no_decoder_asks_for_is_not_trained(tmp_path: Path) -> None:
    without = ["decoder=plain", "evaluation.decoders=[nearest]", "prior.source=pretrain"]
    assert training(run(tmp_path, *without)) == {}
    assert len(training(run(tmp_path, "prior.source=pretrain"))) == 1


def test_every_distiller_can_be_planned_without_running_anything(tmp_path: Path) -> None:
    stages = {
        "herding": ["latents", "coreset (herding)"],
        "k_center": ["latents", "coreset (k_center)"],
        "provable": ["latents", "coreset (provable)"],
        "d4m": ["latents", "quantization", "decoded (dit)"],
        "ddoq/paper": ["latents", "quantization", "decoded (dit)"],
        "nearest": ["latents", "quantization", "decoded (nearest)"],
        "prior": ["decoded (prior)"],
        "random": [],
    }
    for name, expected in stages.items():
        planned = plan(run(tmp_path, f"distiller={name}", "evaluation.decoders=[]"))
        assert [s.what for s in planned if s.state == "to do"] == [*expected, "students (small)"]
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_set_that_does_not_depend_on_the_seed_is_counted_once(tmp_path: Path) -> None:
    steps = plan(run(tmp_path, "distiller=herding", "distiller.budget=37"))
    assert [s.needs for s in steps if s.what == "coreset (herding)"] == ["1 of 1 sets of 37"]


def test_only_the_weights_that_a_distiller_reads_are_trained(tmp_path: Path) -> None:
    sources = [f"{part}.source=pretrain" for part in ("autoencoder", "prior", "teacher")]
    hard = [*sources, "protocols=[small_hard]"]
    needed = {
        "random": [],
        "herding": ["autoencoder"],
        "{name: herding, features: pixels}": [],
        "{name: k_center, features: teacher}": ["teacher"],
        "nearest": ["autoencoder"],
        "prior": ["autoencoder", "prior"],
        "d4m": ["autoencoder", "prior"],
    }
    for distiller, parts in needed.items():
        steps = list(training(run(tmp_path, f"distiller={distiller}", *hard)).values())
        assert [s.what for s in steps] == [f"pretrain {part}" for part in parts]


def test_an_autoencoder_that_learns_from_the_teacher_needs_it(tmp_path: Path) -> None:
    hard = ["distiller=nearest", "protocols=[small_hard]", "teacher.source=pretrain"]
    learns = [*hard, "autoencoder.source=pretrain", "pretrain.autoencoder.perceptual=0.1"]
    for asked, parts in ((hard, []), (learns, ["pretrain teacher", "pretrain autoencoder"])):
        assert [s.what for s in training(run(tmp_path, *asked)).values()] == parts


def test_teachers_within_and_beside_the_recipes_own_are_trained_too(tmp_path: Path) -> None:
    one = "{name: trained, source: pretrain}"
    within = f"teacher={{name: ensemble, teachers: [{one}, {one}]}}"
    for asked in (within, f"evaluation.teachers=[{one}]"):
        assert list(training(run(tmp_path, asked))) == ["teacher"]


def test_sets_are_planned_with_as_many_images_as_classes_have(tmp_path: Path) -> None:
    # The digits have 1132 training images, of which no class has 500.
    steps = plan(run(tmp_path, "distiller={name: herding, images_per_class: 500}"))
    assert "1 of 1 sets of 1132" in [s.needs for s in steps]
    learned = plan(run(tmp_path, "distiller={name: dm, images_per_class: 500}"))
    assert not any("of 500 per class" in s.what for s in learned)
    [step] = [s for s in learned if s.what.startswith("set dm of 115 per class")]
    assert step.needs.startswith("seeds 0, 1, 2, 3, 4")


def test_a_start_is_planned_with_its_own_number_of_images(tmp_path: Path) -> None:
    steps = plan(run(tmp_path, "distiller={name: collage, images_per_class: 5}"))
    assert "5 of 5 sets of 200" in [s.needs for s in steps if s.what == "quantization"]
    few = "distiller={name: ddoq, images_per_class: 5, points_per_class: 2}"
    needs = {s.what: s.needs for s in plan(run(tmp_path, few, "evaluation.decoders=[]"))}
    assert needs["quantization"] == "5 of 5 sets of 20"
    assert needs["decoded (dit)"] == "5 of 5 sets of 50"


def test_a_prior_has_as_many_images_as_are_asked_for(tmp_path: Path) -> None:
    many = "distiller={name: prior, images_per_class: 500}"
    steps = {s.what: s.needs for s in plan(run(tmp_path, many, "evaluation.baselines=[]"))}
    assert "images per class" not in steps
    assert steps["decoded (prior)"] == "5 of 5 sets of 5000"


def test_what_is_measured_beside_accuracies_is_told(tmp_path: Path) -> None:
    told = {s.what: s.needs for s in plan(run(tmp_path, "evaluation.redundancy=true"))}
    assert told["figures of the images"] == "of 5 sets, if not cached"
    assert told["redundancy"].startswith("2 trainings for each set")
    without = {s.what for s in plan(run(tmp_path, "evaluation.pushforward=false"))}
    assert not without & {"figures of the images", "redundancy"}
