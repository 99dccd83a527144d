"""Are pickles of weights converted once, and never run?"""

import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from huggingface_hub.errors import EntryNotFoundError

from ddoq.autoencoders.converted import PICKLE, converted, pickle_alone
from ddoq.autoencoders.weights import load_diffusers
from ddoq.errors import IntegrityError, ResourceError
from ddoq.files.artifacts import damage, read_json, write_json
from ddoq.priors.dit import DiTPrior

# Diffusers passes the Hub's client an argument that it no longer takes.
OFFLINE = pytest.mark.filterwarnings("ignore:The `local_dir_use_symlinks`:UserWarning")
PINNED = "0" * 40


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ddoq" / "converted"


@pytest.fixture
def network() -> DiTTransformer2DModel:
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 2, "attention_head_dim": 8, "sample_size": 4, "num_layers": 1}
    return DiTTransformer2DModel(**sizes, out_channels=8).eval()


@pytest.fixture
def folder(tmp_path: Path, network: DiTTransformer2DModel) -> Path:
    """A pipeline as facebook/DiT-XL-2-256 is: a pickle, and the configuration of 2022."""
    inner = tmp_path / "dit" / "transformer"
    network.save_pretrained(inner)
    (inner / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(network.state_dict(), inner / PICKLE)
    old = {"_class_name": "Transformer2DModel", "num_vector_embeds": None, "norm_num_groups": 32}
    write_json(inner / "config.json", {**read_json(inner / "config.json"), **old})
    DDIMScheduler().save_pretrained(tmp_path / "dit" / "scheduler")
    return tmp_path / "dit"


def said(prior: DiTPrior) -> torch.Tensor:
    x, time = torch.ones(1, 4, 4, 4), torch.tensor([7])
    with torch.inference_mode():
        return prior.network(x, time, class_labels=torch.tensor([3]))


def test_a_pickle_is_converted_once_and_says_so(
    folder: Path, network: DiTTransformer2DModel, cache: Path, capsys: pytest.CaptureFixture[str]
):
    for _ in range(2):
        prior = DiTPrior(source=str(folder))
    with torch.inference_mode():
        expected = network(torch.ones(1, 4, 4, 4), torch.tensor([7]), torch.tensor([3])).sample
    # Where weights lie in memory changes the order of sums on some processors.
    torch.testing.assert_close(said(prior), expected, rtol=0, atol=1e-5)
    assert capsys.readouterr().err.count("converted once to safetensors") == 1
    [made] = [f for f in cache.iterdir() if f.is_dir()]
    assert damage(made) is None


def test_a_damaged_conversion_is_made_again(folder: Path):
    place = converted(folder / "transformer" / PICKLE)
    (place / "diffusion_pytorch_model.safetensors").write_bytes(b"torn")
    assert damage(converted(folder / "transformer" / PICKLE)) is None


def test_other_weights_have_a_place_of_their_own(folder: Path, network: DiTTransformer2DModel):
    file = folder / "transformer" / PICKLE
    first = converted(file)
    torch.save({k: 2 * t for k, t in network.state_dict().items()}, file)
    assert converted(file) != first


def test_safetensors_are_preferred(folder: Path, network: DiTTransformer2DModel):
    assert pickle_alone(folder / "transformer") == folder / "transformer" / PICKLE
    network.save_pretrained(folder / "transformer")
    assert pickle_alone(folder / "transformer") is None


def test_weights_that_share_memory_are_converted_too(tmp_path: Path):
    one = torch.arange(6.0).view(2, 3)
    torch.save({"a": one, "b": one, "c": one[0], "d": one.T}, tmp_path / PICKLE)
    assert damage(converted(tmp_path / PICKLE)) is None


class Code:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch {self.sentinel}",)


def test_a_pickle_with_code_is_refused_and_not_run(folder: Path, tmp_path: Path, cache: Path):
    content = {"weight": torch.ones(2), "code": Code(tmp_path / "sentinel")}
    torch.save(content, folder / "transformer" / PICKLE)
    with pytest.raises(IntegrityError, match=r"more than weights: code, \w+\.system") as caught:
        DiTPrior(source=str(folder))
    assert caught.value.exit_code == 5
    assert not (tmp_path / "sentinel").exists()
    assert not [f for f in cache.iterdir() if f.is_dir()]


def test_a_pickle_without_names_is_refused(folder: Path):
    torch.save([torch.ones(2)], folder / "transformer" / PICKLE)
    with pytest.raises(IntegrityError, match="no weights by name"):
        DiTPrior(source=str(folder))


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Put the folder on a Hub that is only this function. Diffusers itself is offline."""
    asked: list[tuple[str, str]] = []

    def download(source: str, name: str, *, revision: str) -> str:
        asked.append((f"{source}@{revision}", name))
        if not (folder / name).is_file():
            raise EntryNotFoundError("no such file")
        (tmp_path / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(folder / name, tmp_path / "hub" / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return asked


@OFFLINE
def test_a_pickle_on_the_hub_is_fetched_at_the_pinned_revision(hub: list[tuple[str, str]]):
    load_diffusers(DiTTransformer2DModel, "a/dit", revision=PINNED, subfolder="transformer")
    names = [f"transformer/{name}" for name in ("config.json", PICKLE)]
    assert hub == [(f"a/dit@{PINNED}", name) for name in [*names, "README.md"]]


@OFFLINE
def test_without_a_pickle_the_hubs_own_error_is_said(hub: list[tuple[str, str]], folder: Path):
    (folder / "transformer" / PICKLE).unlink()
    with pytest.raises(ResourceError, match=f"a/dit \\(revision {PINNED}\\)"):
        load_diffusers(DiTTransformer2DModel, "a/dit", revision=PINNED, subfolder="transformer")
