from pathlib import Path

import pytest

from ddoq.run.sources import weights_fingerprint

KL = {"name": "kl", "subfolder": None}
DIT = {"name": "dit", "subfolder": "transformer"}
OWN = {"name": "mynets:Own"}
WEIGHTS = "diffusion_pytorch_model.safetensors"


def written(folder: Path, *names: str, text: str = "x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "name", ["README.md", ".gitattributes", ".cache/huggingface/x.json", "model_index.json"]
)
def test_a_file_that_is_not_read_changes_no_key(tmp_path: Path, name: str):
    block = {**KL, "source": str(written(tmp_path, "config.json", WEIGHTS))}
    before = weights_fingerprint("autoencoder", block)
    written(tmp_path, name)
    assert weights_fingerprint("autoencoder", block) == before


@pytest.mark.parametrize(
    ("kind", "block", "name"),
    [
        ("autoencoder", KL, "config.json"),
        ("autoencoder", KL, WEIGHTS),
        ("autoencoder", {**KL, "subfolder": "vae"}, f"vae/{WEIGHTS}"),
        ("autoencoder", KL, "diffusion_pytorch_model-00002-of-00002.safetensors"),
        ("prior", DIT, f"transformer/{WEIGHTS}"),
        ("prior", DIT, "scheduler/scheduler_config.json"),
        ("prior", DIT, "classes.json"),
        ("prior", {"name": "stable_diffusion"}, "tokenizer/merges.txt"),
        ("prior", {"name": "stable_diffusion"}, "text_encoder/model.safetensors"),
        ("teacher", {"name": "trained"}, "teacher.json"),
        ("teacher", OWN, "anything.bin"),
    ],
)
def test_a_file_that_is_read_changes_the_key(tmp_path: Path, kind: str, block, name: str):
    block = {**block, "source": str(written(tmp_path, "config.json", WEIGHTS, name))}
    before = weights_fingerprint(kind, block)
    written(tmp_path, name, text="y")
    assert weights_fingerprint(kind, block) != before


def test_a_pickle_changes_the_key_if_there_is_nothing_else(tmp_path: Path):
    def changed(folder: Path) -> bool:
        block = {**KL, "source": str(written(folder, "diffusion_pytorch_model.bin", "config.json"))}
        before = weights_fingerprint("autoencoder", block)
        written(folder, "diffusion_pytorch_model.bin", text="y")
        return weights_fingerprint("autoencoder", block) != before

    assert changed(tmp_path / "alone")
    assert not changed(written(tmp_path / "beside", WEIGHTS))


def test_two_parts_of_one_folder_have_keys_of_their_own(tmp_path: Path):
    folder = written(tmp_path, f"vae/{WEIGHTS}", f"transformer/{WEIGHTS}")
    parts = [("autoencoder", {**KL, "subfolder": "vae"}), ("prior", DIT)]
    assert len({weights_fingerprint(k, {**b, "source": str(folder)}) for k, b in parts}) == 2


def test_a_single_file_is_hashed_wherever_it_lies(tmp_path: Path):
    for name, text in [("a/net.pt", "x"), ("b/other.pt", "x"), ("c/net.pt", "y")]:
        written(tmp_path, name, text=text)
    names = ("a/net.pt", "b/other.pt", "c/net.pt")
    a, b, c = (
        weights_fingerprint("teacher", {"name": "checkpoint", "source": str(tmp_path / n)})
        for n in names
    )
    assert a == b != c


def test_a_file_and_the_classes_beside_it_make_the_key_of_a_prior(tmp_path: Path):
    block = {"name": "sit", "source": str(written(tmp_path, "net.pt") / "net.pt")}
    keys = [weights_fingerprint("prior", block)]
    for text in ("[1]", "[2]"):
        written(tmp_path, "classes.json", text=text)
        keys.append(weights_fingerprint("prior", block))
    assert len(set(keys)) == 3


def test_what_is_on_the_hub_stands_for_itself():
    assert weights_fingerprint("prior", {**DIT, "source": "some/model"}) == "some/model"
