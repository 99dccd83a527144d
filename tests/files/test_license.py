from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.files.license import OWN, UNKNOWN, license_of, licenses_of, told
from ddoq.run import Run


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def holding(folder: Path, **files: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README_md": "---\ntags: [x]\nlicense: cc-by-nc-4.0\n---\n# DiT\nlicense: not this"},
         "cc-by-nc-4.0"),
        ({"README_md": "---\nlicense: other\nlicense_name: 'their-own'\n---\n"}, "their-own"),
        ({"README_md": "# DiT\nlicense: mit", "LICENSE": "\n# MIT License\n\nCopyright"},
         "MIT License"),
        ({"LICENSE_txt": "Attribution-NonCommercial 4.0\n"}, "Attribution-NonCommercial 4.0"),
        ({"README_md": "no head"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)  # fmt: skip
def test_a_folder_states_its_license(tmp_path: Path, files: dict[str, str], expected: str):
    assert license_of(holding(tmp_path / "weights", **files)) == expected


def test_a_file_has_the_license_beside_it(tmp_path: Path):
    holding(tmp_path, LICENSE="MIT License", net_pt="")
    assert license_of(str(tmp_path / "net.pt")) == "MIT License"


def test_known_models_on_the_hub_have_theirs_and_others_are_unknown():
    assert license_of("facebook/DiT-XL-2-256", "0" * 40) == "cc-by-nc-4.0"
    assert license_of("stable-diffusion-v1-5/stable-diffusion-v1-5") == "creativeml-openrail-m"
    assert license_of("somebody/something") == UNKNOWN


def test_the_card_of_a_downloaded_model_is_read(tmp_path: Path):
    commit = "1" * 40
    card = "---\nlicense: bsd\n---\n"
    holding(tmp_path / "hub" / "models--a--b" / "snapshots" / commit, README_md=card)
    assert license_of("a/b", commit) == "bsd"


def test_weights_made_here_state_what_they_were_trained_from(tmp_path: Path):
    own = holding(tmp_path / "own", CARD_md="# Prior\n- license Apache-2.0\n")
    other = holding(tmp_path / "other", CARD_md="# Prior\n- trained from: autoencoder a/b: mit\n")
    assert license_of(own) == OWN
    assert license_of(other) == "trained from autoencoder a/b: mit"


def test_nothing_is_told_of_what_is_unknown_or_ddoqs_own():
    assert told({"prior x": UNKNOWN, "autoencoder y": OWN}) == ""
    assert told({"prior x": "mit", "teacher y": "bsd"}) == "prior x: mit; teacher y: bsd"


def test_what_is_trained_here_has_no_license_of_others():
    assert licenses_of({"prior": {"source": "pretrain"}, "autoencoder": {"name": "identity"}}) == {}


def test_a_set_states_the_licenses_of_what_it_was_made_with(tmp_path: Path):
    run = Run(recipe.read(["recipe=digits"]).recipe)
    assert run.licenses(["prior"]) == {"prior checkpoints/digits/prior": OWN}
