import dataclasses
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddoq.errors import UsageError
from ddoq.protocols.protocol import Protocol
from ddoq.recipe import Recipe, change, names, read, shipped
from ddoq.recipe.kinds import KINDS

PLUGIN = "class Net:\n    def __init__(self, num_classes: int, width: int = 4): ...\n"


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes a recipe and returns the argument that names it."""

    def write(text: str, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(text)
        return f"recipe={tmp_path / name}"

    return write


def digits(*arguments: str) -> Recipe:
    return read(["recipe=digits", *arguments]).recipe


@pytest.mark.parametrize("name", names())
def test_every_shipped_recipe_loads_and_every_name_in_it_resolves(name: str):
    recipe = read([f"recipe={name}"], must_be_complete=False).recipe
    assert recipe.name == name
    for block in recipe.protocols:
        assert isinstance(recipe.build("protocol", block), Protocol)


def test_every_shipped_recipe_opens_with_a_headline():
    assert all(names().values())


def test_the_command_line_wins_over_the_file():
    assert digits("distiller.images_per_class=7", "seed=3").distiller["images_per_class"] == 7


def test_a_short_form_is_a_block():
    recipe = digits("student=convnet", "protocol=[small, small_hard]", "weighting=mass")
    assert [s["name"] for s in recipe.students] == ["convnet"]
    assert [p["name"] for p in recipe.protocols] == ["small", "small_hard"]
    assert recipe.weighting == {"name": "mass"}


def test_another_component_starts_its_block_afresh():
    assert "source" not in digits("autoencoder=identity").autoencoder
    assert digits("decoder=plain").decoder == digits("decoder={name: plain}").decoder


def test_another_net_learns_its_own_default_and_a_word_changes_that():
    def objective(*arguments: str) -> dict[str, object]:
        return read([*arguments]).recipe.pretrain["prior"]["net"]["objective"]

    assert objective("recipe=digits") == {"name": "noise", "min_snr": None}
    edm = {"name": "edm", "sigma_data": 0.5, "mean": -1.2, "std": 1.2}
    assert objective("recipe=digits_pixels") == edm
    flow = {"name": "flow", "mean": 0.0, "std": 1.0}
    assert objective("recipe=digits", "pretrain.prior.net.objective=flow") == flow


def test_the_same_component_keeps_its_settings():
    assert digits("decoder.name=dit").decoder == digits().decoder


@pytest.mark.parametrize(
    "switch",
    [
        "distiller.solver=lloyd",
        "distiller.solver.name=lloyd",
        "distiller.solver={name: lloyd}",
        "distiller={solver: lloyd}",
    ],
)
def test_another_component_within_a_block_starts_afresh_too(switch: str):
    recipe = digits("distiller.solver={name: clvq, chunk: 3}", switch)
    assert recipe.distiller["solver"] == {
        "name": "lloyd",
        "restarts": None,
        "max_iterations": 300,
        "hartigan": True,
        "products": "auto",
    }


def test_a_nested_setting_follows_its_name():
    recipe = digits("distiller.solver=clvq", "distiller.solver.chunk=3")
    assert recipe.distiller["solver"] == {
        "name": "clvq",
        "chunk": 3,
        "passes": 4,
        "averaging": False,
        "polish": 20,
    }


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sed=1", "no key 'sed' .did you mean 'seed'"),
        ("ipc=10", "did you mean 'distiller.images_per_class=...'"),
        ("images_per_class=10", "'distiller.images_per_class=...' or 'evaluation.images_per"),
        ("seeds=3", "did you mean 'evaluation.seeds=...'"),
        ("device=cuda", "did you mean 'trainer.accelerator=...'"),
        ("protocol.steps=10", r"'protocols=.{name: small, steps: ...}.'"),
        ("batch_size=8", r"'protocols=.{name: small, batch_size: ...}.'"),
        ("students=[{name:convnet}]", "the block has no name"),
        ("students=[{width: 16}]", "students: the block has no name"),
        ("distiler.images_per_class=5", "did you mean 'distiller.images_per_class=...'"),
        ("distiller=first.py:First", "names a file[\\s\\S]*its module: first:First"),
        ("distiller=mine/first.py:First", "its module: mine.first:First"),
        ("student=resnet18", "timm/resnet18 or torchvision/resnet18, if they have it"),
        ("digits", "write recipe=digits"),
        ("mine.yaml", "write recipe=mine.yaml"),
        ("recipe=mine.yaml", "there is no file mine.yaml in this folder"),
        ("distiller.images_per_class=-1", "images_per_class=-1 is not at least 1"),
        ("--seed=3", "'--seed=3' is not key=value"),
        ("seed=x", "seed: x is no whole number"),
        ("evaluation.seeds=2.5", "evaluation.seeds: 2.5 is no whole number"),
        ("seed", "'seed' is not key=value"),
        ("dry_run=yes", "dry_run=yes"),
        ("data=digitz", "did you mean 'digits'"),
        ("data=null", "data: None is not a component"),
        ("data=[1]", "data: .1. is not a component"),
        ("students=[3]", "students: 3 is not a component"),
        ("students.width=3", "names no component"),
        ("distiller.images_per_clas=3", "did you mean 'images_per_class'"),
        ("distiller.images_per_class=many", "'many' is not a whole number"),
        ("distiller.solver=3", "distiller.solver: 3 is not a component"),
        ("distiller.solver.chunk=3", "Lloyd takes no 'chunk'"),
        ("evaluation.seedz=3", "seedz"),
        ("evaluation.decoders=[3]", "evaluation.decoders: 3 is not"),
        ("pretrain.teachr.steps=3", "did you mean 'teacher'"),
        ("pretrain.teacher=3", "pretrain.teacher: 3 is not"),
        ("pretrain.prior.net.objective=flw", "did you mean 'flow'"),
        ("pretrain.prior.net.objective.min_snr=0", "min_snr is above 0"),
        ("trainer.device=1", "did you mean 'devices'"),
        ("seed={", "cannot be read"),
        ("seed=!!python/object/apply:os.getcwd []", "cannot be read"),
        ("name=${oc.env:HOME}", "contains "),
    ],
)
def test_what_a_recipe_does_not_have_is_refused(argument: str, message: str):
    with pytest.raises(UsageError, match=message):
        digits(argument)


def test_blocks_without_a_name_are_refused_also_if_a_later_word_replaces_them():
    with pytest.raises(UsageError, match="students: the block has no name"):
        digits("students=[{width: 16}]", "students=[convnet]")


def test_two_students_are_a_list():
    with pytest.raises(UsageError, match=r"given 2 times[\s\S]*'students=\[convnet, resnet\]'"):
        digits("student=convnet", "student=resnet")


def test_a_hint_at_a_list_drops_nothing_of_it():
    listed = "protocols=[{name: small, steps: 5}, {name: small_hard, steps: 5}]"
    hint = "'protocols=[{name: small, steps: 5, lr: ...}, small_hard]'"
    with pytest.raises(UsageError, match=re.escape(hint)):
        digits(listed, "protocol.lr=1")
    followed = digits(listed, hint.strip("'").replace("...", "1")).protocols
    assert [(p["name"], p["steps"]) for p in followed] == [("small", 5), ("small_hard", 5)]


def test_a_bare_name_in_a_list_keeps_the_settings_that_the_recipe_has_for_it():
    own = digits().students[0]
    assert own["name"] == "convnet"
    assert own["width"] != digits("students=[{name: convnet}]").students[0]["width"]
    assert digits("student=convnet").students == [own]
    assert digits("students=[timm/test_vit, convnet]").students[1] == own


keys = st.sampled_from(
    ["data", "students", "protocols", "distiller.solver", "pretrain", "evaluation", "trainer"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["convnet", "name", "x: y"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "teacher", "decoders", "depth"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


@settings(max_examples=60)
@given(keys, values)
def test_any_value_is_read_whole_or_refused_with_a_remedy(key: str, value: object):
    argument = f"{key}={value}".replace("None", "null")
    try:
        recipe = digits(argument)
    except UsageError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.remedy
        return
    with tempfile.TemporaryDirectory() as folder:
        recipe.save(Path(folder, "saved.yaml"))
        assert read([f"recipe={folder}/saved.yaml"]).recipe == recipe
    assert all(block["name"] for block in [*recipe.students, *recipe.protocols])


def test_without_a_recipe_the_shipped_ones_are_listed():
    with pytest.raises(UsageError) as caught:
        read(["seed=1"])
    assert "digits" in caught.value.remedy


def test_an_unknown_recipe_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        read(["recipe=digit"])


def test_a_recipe_adds_to_its_base(write, tmp_path: Path):
    write("decoder: {name: plain}\nseed: 5\nthreads: 1", "first.yaml")
    argument = write(f"base: {tmp_path / 'first.yaml'}\nseed: 6")
    recipe = read([argument]).recipe
    assert (recipe.decoder["name"], recipe.seed, recipe.threads) == ("plain", 6, 1)
    assert recipe.name == "mine"


def test_a_ring_of_bases_is_refused(write, tmp_path: Path):
    write(f"base: {tmp_path / 'mine.yaml'}", "other.yaml")
    with pytest.raises(UsageError, match="its own base"):
        read([write(f"base: {tmp_path / 'other.yaml'}")])


@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\nseed: 2",
        "data: {name: digits, name: digits}",
        "seed: ${oc.env:HOME}",
        "name: !!python/object/apply:os.getcwd []",
        "- seed",
        "seed: [",
        "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\n"
        "e: &e [*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e]\ng: [*f,*f,*f,*f]",
    ],
    ids=["twice", "twice-inside", "variable", "tag", "list", "broken", "bomb"],
)
def test_a_file_that_is_more_or_less_than_plain_yaml_is_refused(write, text: str):
    with pytest.raises(UsageError):
        read([write(text)])


@pytest.mark.parametrize(
    "text",
    [
        "students: [my_net:Net]",
        "students: [{name: my_net:Net}]",
        "students: my_net:Net",
        "distiller: {solver: my_net:Net}",
        "pretrain: {teacher: {student: {name: my_net:Net}}}",
        "evaluation: {decoders: [my_net:Net]}",
    ],
)
def test_code_named_in_a_file_is_refused_before_it_is_looked_for(write, text: str):
    with pytest.raises(UsageError, match="names code to run: my_net:Net"):
        read([write(text)])


def test_code_in_a_base_is_refused_too(write, tmp_path: Path):
    write("students: [my_net:Net]", "base.yaml")
    with pytest.raises(UsageError, match="names code to run"):
        read([write(f"base: {tmp_path / 'base.yaml'}")])


@pytest.mark.parametrize("name", ["my-net:Net", "sub/my_net:Net", "my_net :Net"])
def test_no_other_spelling_reaches_code(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    (tmp_path / "sub").mkdir()
    for file in ("my-net.py", "sub/my_net.py", "my_net .py"):
        (tmp_path / file).write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError):
        read([write(f"students: ['{name}']")])


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_net.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return "my_net:Net"


def test_code_in_a_file_runs_where_the_command_line_allows_it(write, plugin: str):
    invocation = read([write(f"students: ['{plugin}']"), "allow_code=true"])
    assert invocation.recipe.students == [{"name": plugin, "width": 4}]


def test_a_file_cannot_allow_its_own_code(write, plugin: str):
    with pytest.raises(UsageError):
        read([write(f"students: ['{plugin}']\nallow_code: true")])


def test_code_on_the_command_line_needs_nothing_more(plugin: str):
    assert digits(f"student={plugin}").students == [{"name": plugin, "width": 4}]


def test_a_saved_recipe_reads_back_equal(tmp_path: Path):
    recipe = digits("seed=4", "distiller.solver={name: clvq, chunk: 3}", "evaluation.seeds=2")
    recipe.save(tmp_path / "saved.yaml")
    assert read([f"recipe={tmp_path / 'saved.yaml'}"]).recipe == recipe


def test_a_saved_recipe_says_nothing_of_where_files_go(tmp_path: Path):
    root = f"trainer.default_root_dir={tmp_path}"
    digits("out=there", "cache=elsewhere", root).save(tmp_path / "saved.yaml")
    saved = read([f"recipe={tmp_path / 'saved.yaml'}", "cache=typed"]).recipe
    assert (saved.out, saved.cache, saved.trainer) == (None, "typed", {})


def test_a_file_does_not_choose_where_files_go(write):
    text = "base: digits\nout: /srv/www\ncache: ../x\ntrainer: {default_root_dir: /srv, devices: 1}"
    with pytest.warns(UserWarning, match="set only on the command line"):
        recipe = read([write(text)]).recipe
    assert (recipe.out, recipe.cache) == (None, Recipe("x").cache)
    assert recipe.trainer == {"devices": 1}


@pytest.mark.parametrize("name", ["../../x", "/srv/www", "a/b", "a\\b", "..", ".", " ", "a\nb"])
def test_a_name_that_leads_out_of_the_folder_of_runs_is_refused(write, name: str):
    with pytest.raises(UsageError, match="is not a plain name"):
        read([write(f"base: digits\nname: {name!r}")])
    with pytest.raises(UsageError, match="is not a plain name"):
        change(digits(), {"name": name})


@pytest.mark.parametrize("wanted", ["../recipes/digits", f"{shipped.recipes()}/digits"])
def test_a_shipped_recipe_has_no_name_but_its_own(wanted: str):
    with pytest.raises(UsageError, match="there is no recipe"):
        read([f"recipe={wanted}"])


def test_a_saved_recipe_keeps_the_name_that_comes_from_its_place(tmp_path: Path):
    read(["recipe=imagenette/dit", "data.root=x"]).recipe.save(tmp_path / "saved.yaml")
    assert read([f"recipe={tmp_path / 'saved.yaml'}"]).recipe.name == "imagenette/dit"


def test_a_missing_setting_is_named(write):
    text = "data: {name: imagefolder}\ndistiller: {name: ddoq}"
    with pytest.raises(UsageError, match=r"data\.root is missing"):
        read([write(text)])
    assert read([write(text)], must_be_complete=False).recipe.data["name"] == "imagefolder"


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("distiller={name: dm, start: given}", "distiller.start.path"),
        ("evaluation.distillers=[given]", "evaluation.distillers.path"),
        ("evaluation.baselines=[{name: dm, start: given}]", "evaluation.baselines.start.path"),
        ("evaluation.decoders=[confident]", "evaluation.decoders.decoder"),
    ],
)
def test_a_missing_setting_of_a_component_within_another_is_named(word: str, place: str):
    with pytest.raises(UsageError, match=rf"{place} is missing"):
        read(["recipe=digits", word])


def test_the_digest_is_of_what_changes_the_run():
    plain = read(["recipe=digits"]).digest
    same = ["out=x", "cache=y", "dry_run=true", "debug=true"]
    assert {read(["recipe=digits", a]).digest for a in same} == {plain}
    assert read(["recipe=digits", "seed=1"]).digest != plain


def test_the_order_of_arguments_does_not_change_the_digest():
    arguments = ["seed=1", "threads=2", "recipe=digits"]
    assert read(arguments).digest == read(arguments[::-1]).digest


def test_a_changed_recipe_is_checked_again():
    assert change(digits(), {"weighting": {"name": "mass"}}).weighting == {"name": "mass"}
    with pytest.raises(UsageError):
        change(digits(), {"weighting": {"name": "mas"}})


def test_every_default_of_the_schema_is_a_known_component():
    recipe = Recipe(name="x")
    kinds = [f.name for f in dataclasses.fields(Recipe) if f.name in KINDS]
    assert all(KINDS[k].target(k, getattr(recipe, k)["name"]) for k in kinds)


_READ = """
import sys
from ddoq.recipe import read
try:
    read(sys.argv[1:])
except ValueError:
    pass
sys.exit(", ".join({"torch", "lightning", "timm", "diffusers", "faiss"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("argument", ["seed=1", "student=covnet"])
def test_nothing_heavy_is_imported_to_read_a_recipe(environment: dict[str, str], argument: str):
    command = [sys.executable, "-c", _READ, "recipe=digits", argument]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""


def test_recipes_lie_beside_the_package():
    assert (shipped.recipes() / "digits.yaml").is_file()
