"""Do files of the original DiT and SiT code become networks with the same outputs?

`Original` is that code's forward pass, written here anew in plain torch.
"""

import argparse
import itertools
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ddoq import keyed, recipe
from ddoq.errors import DataError, IntegrityError, ResourceError
from ddoq.files.tensors import write_tensors
from ddoq.priors.dit import DiTPrior
from ddoq.priors.sit import SiTPrior
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

CHANNELS, SIDE, PATCH, DIM, HEADS, DEPTH, CLASSES = 4, 8, 2, 32, 2, 3, 10
LABELS = torch.tensor([0, 4, CLASSES])
Weights = dict[str, Tensor]


def table(dim: int, side: int) -> Tensor:
    """Return the fixed table of positions: half of it for columns, half for rows."""
    rates = 10000 ** (-torch.arange(dim // 4) / (dim / 4))
    angles = torch.arange(side)[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    columns, rows = one.repeat(side, 1), one.repeat_interleave(side, 0)
    return torch.cat([columns, rows], 1)[None]


def random_weights() -> Weights:
    torch.manual_seed(0)
    sizes = {
        "x_embedder.proj": (DIM, CHANNELS, PATCH, PATCH),
        "t_embedder.mlp.0": (DIM, 256),
        "t_embedder.mlp.2": (DIM, DIM),
        "final_layer.linear": (PATCH**2 * 2 * CHANNELS, DIM),
        "final_layer.adaLN_modulation.1": (2 * DIM, DIM),
    }
    for i in range(DEPTH):
        sizes |= {
            f"blocks.{i}.attn.qkv": (3 * DIM, DIM),
            f"blocks.{i}.attn.proj": (DIM, DIM),
            f"blocks.{i}.mlp.fc1": (4 * DIM, DIM),
            f"blocks.{i}.mlp.fc2": (DIM, 4 * DIM),
            f"blocks.{i}.adaLN_modulation.1": (6 * DIM, DIM),
        }
    made = {f"{name}.weight": torch.randn(shape) / DIM**0.5 for name, shape in sizes.items()}
    made |= {f"{name}.bias": torch.randn(shape[0]) / 10 for name, shape in sizes.items()}
    made["y_embedder.embedding_table.weight"] = torch.randn(CLASSES + 1, DIM)
    return made | {"pos_embed": table(DIM, SIDE // PATCH)}


class Original:
    def __init__(self, weights: Weights) -> None:
        self.w = weights

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def modulated(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return F.layer_norm(x, (DIM,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]

    def condition(self, t: Tensor, y: Tensor) -> Tensor:
        angles = t[:, None] * torch.exp(-math.log(10000) * torch.arange(128) / 128)
        time = torch.cat([angles.cos(), angles.sin()], 1)
        time = self.linear("t_embedder.mlp.2", F.silu(self.linear("t_embedder.mlp.0", time)))
        return F.silu(time + self.w["y_embedder.embedding_table.weight"][y])

    def block(self, i: int, x: Tensor, c: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        six = self.linear(f"blocks.{i}.adaLN_modulation.1", c).chunk(6, 1)
        seen = self.modulated(x, six[0], six[1])
        qkv = self.linear(f"blocks.{i}.attn.qkv", seen)
        q, k, v = qkv.reshape(n, tokens, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(2, 3) * (DIM // HEADS) ** -0.5).softmax(3)
        mixed = (shares @ v).transpose(1, 2).reshape(n, tokens, DIM)
        x = x + six[2][:, None] * self.linear(f"blocks.{i}.attn.proj", mixed)
        inner = self.linear(f"blocks.{i}.mlp.fc1", self.modulated(x, six[3], six[4]))
        inner = F.gelu(inner, approximate="tanh")
        return x + six[5][:, None] * self.linear(f"blocks.{i}.mlp.fc2", inner)

    def __call__(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Return all channels, those of the variance too."""
        patches = F.unfold(x, PATCH, stride=PATCH).transpose(1, 2)
        first = self.w["x_embedder.proj.weight"].flatten(1)
        x = F.linear(patches, first, self.w["x_embedder.proj.bias"]) + self.w["pos_embed"]
        c = self.condition(t, y)
        for i in range(DEPTH):
            x = self.block(i, x, c)
        shift, scale = self.linear("final_layer.adaLN_modulation.1", c).chunk(2, 1)
        x = self.linear("final_layer.linear", self.modulated(x, shift, scale))
        by_channel = x.unflatten(2, (PATCH**2, -1)).transpose(2, 3).flatten(2)
        return F.fold(by_channel.transpose(1, 2), SIDE, PATCH, stride=PATCH)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights()


@pytest.fixture
def file(tmp_path: Path, weights: Weights) -> Path:
    torch.save(weights, tmp_path / "net.pt")
    (tmp_path / "classes.json").write_text(json.dumps([str(i) for i in range(CLASSES)]))
    return tmp_path / "net.pt"


def noisy() -> Tensor:
    return keyed.normal(5, torch.arange(3), (CHANNELS, SIDE, SIDE))


@pytest.mark.parametrize("time", [0.0, 3.0, 400.0, 999.0])
def test_a_dit_says_what_the_original_code_says(file: Path, weights: Weights, time: float):
    prior, x = DiTPrior(source=str(file), heads=HEADS), noisy()
    expected = Original(weights)(x, torch.full((3,), time), LABELS)
    with torch.inference_mode():
        found = prior.network(x, torch.full((3,), time), class_labels=LABELS)
    assert torch.allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.001, 0.25, 1.0])
def test_a_sit_says_what_the_original_code_says_backwards(
    file: Path, weights: Weights, sigma: float
):
    """Its time is 1 - sigma, and its velocity is clean - noise: ours is noise - clean."""
    prior, x = SiTPrior(source=str(file), heads=HEADS), noisy()
    expected = -Original(weights)(x, torch.full((3,), 1 - sigma), LABELS)
    with torch.inference_mode():
        found = prior.network(x, torch.full((3,), 1000 * sigma), class_labels=LABELS)
    assert torch.allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_every_number_of_the_time_is_the_original_codes(file: Path, weights: Weights):
    """With diffusers' own frequencies the outputs would differ by far more than rounding."""
    prior, x, time = DiTPrior(source=str(file), heads=HEADS), noisy(), torch.full((3,), 400.0)
    expected = Original(weights)(x, time, LABELS)
    for block in prior.network.model.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = 1
    with torch.inference_mode():
        found = prior.network(x, time, class_labels=LABELS)
    assert float((found - expected).abs().max()) > 1e-2


class Latents:
    """An autoencoder that leaves latents as they are."""

    def decode(self, latents: Tensor) -> Tensor:
        return latents


BLOCK = PointBlock(torch.zeros(3, 4, 8, 8), torch.tensor([0, 4, 9]), torch.tensor([0, 1, 0]))


def drawn(file: Path, guidance: float) -> Tensor:
    prior = f"prior={{name: sit, source: '{file}', heads: {HEADS}}}"
    run = Run(recipe.read(["recipe=digits", prior, f"cache={file.parent / 'cache'}"]).recipe)
    block = {"name": "sit", "steps": 10, "guidance": guidance, "start": "noise"}
    decoder = run.make("decoder", block, autoencoder=Latents(), seed=3)
    with torch.inference_mode():
        return decoder.decode(BLOCK)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_eulers_method_draws_what_a_loop_over_the_original_code_draws(
    file: Path, weights: Weights, guidance: float
):
    """dx/dt = v from noise to data; the three first channels alone are guided, as SiT's code does.

    Diffusers' times end one thousandth before the data, and then go there.
    """
    net, none = Original(weights), torch.full((3,), CLASSES)
    x = keyed.normal(keyed.seed_of("decode", 3), BLOCK.keys, (CHANNELS, SIDE, SIDE))
    times = [*torch.linspace(0, 0.999, 10).tolist(), 1.0]
    for now, then in itertools.pairwise(times):
        t = torch.full((3,), now)
        v, away = (net(x, t, y)[:, :CHANNELS] for y in (BLOCK.labels, none))
        guided = torch.cat([away[:, :3] + guidance * (v - away)[:, :3], v[:, 3:]], 1)
        x = x + (then - now) * guided
    assert torch.allclose(drawn(file, guidance), x, rtol=1e-3, atol=1e-4 * float(x.abs().max()))


def test_the_averaged_weights_of_a_training_are_read(file: Path, weights: Weights):
    args = argparse.Namespace(model="SiT-XL/2", lr=1e-4)
    raw = {k: torch.zeros_like(t) for k, t in weights.items()}
    torch.save({"model": raw, "ema": weights, "args": args}, file)
    net = SiTPrior(source=str(file), heads=HEADS).network.model
    assert torch.equal(net.proj_out_2.weight, weights["final_layer.linear.weight"])


def test_safetensors_of_the_original_code_are_read_too(file: Path, weights: Weights):
    write_tensors(file.with_suffix(".safetensors"), weights)
    net = DiTPrior(source=str(file.with_suffix(".safetensors")), heads=HEADS).network.model
    assert torch.equal(net.proj_out_2.weight, weights["final_layer.linear.weight"])


def test_what_is_no_network_of_theirs_is_refused(file: Path):
    torch.save({"layer.weight": torch.ones(2)}, file)
    with pytest.raises(DataError, match="original DiT or SiT code"):
        DiTPrior(source=str(file))
    with pytest.raises(ResourceError, match="there is no file"):
        SiTPrior(source=str(file.with_name("other.pt")))


def test_a_file_without_a_weight_is_refused(file: Path, weights: Weights):
    torch.save({k: t for k, t in weights.items() if k != "blocks.1.mlp.fc2.bias"}, file)
    with pytest.raises(IntegrityError, match=r"blocks\.1\.mlp\.fc2\.bias"):
        SiTPrior(source=str(file), heads=HEADS)


def test_labels_that_stand_for_other_classes_are_refused(file: Path):
    (file.parent / "classes.json").unlink()
    with pytest.raises(DataError, match="11 labels, for 1000 classes"):
        SiTPrior(source=str(file), heads=HEADS)
