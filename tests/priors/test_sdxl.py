"""Are latents those of diffusers' own pipeline, on a small random model in its layout?"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import keyed, recipe
from ddoq.files.artifacts import read_json, write_json
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

transformers = pytest.importorskip("transformers", reason="needs the extra stable-diffusion")

WAYS = (("down", "DownEncoder"), ("up", "UpDecoder"))
BLOCK = PointBlock(torch.zeros(2, 4, 4, 4), torch.tensor([4, 7]), torch.tensor([0, 5]))
LETTERS = [*"0123456789abcdefghijklmnopqrstuvwxyz,"]
WORDS = [*LETTERS, *(f"{c}</w>" for c in LETTERS), "<|startoftext|>", "<|endoftext|>"]


def tiny_unet() -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        cross_attention_dim=8 + 12,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 + 6 * 8,
        norm_num_groups=4,
    )


def text_config(size: int) -> Any:
    return transformers.CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=8,
        projection_dim=6,
        bos_token_id=len(WORDS) - 2,
        eos_token_id=len(WORDS) - 1,
    )


def tiny_tokenizer(folder: Path) -> Any:
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    return transformers.CLIPTokenizer(*files, model_max_length=8)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import (
        StableDiffusionXLPipeline,
    )
    from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

    torch.manual_seed(0)
    blocks = {f"{way}_block_types": (f"{kind}Block2D",) * 4 for way, kind in WAYS}
    tokenizer = tiny_tokenizer(tmp_path_factory.mktemp("words"))
    made = StableDiffusionXLPipeline(
        vae=AutoencoderKL(**blocks, block_out_channels=(4,) * 4, norm_num_groups=4),
        text_encoder=transformers.CLIPTextModel(text_config(8)),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text_config(12)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=tiny_unet(),
        scheduler=EulerDiscreteScheduler(
            beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
        ),
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def source(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdxl")
    pipeline.save_pretrained(folder)
    return folder


class Latents:
    """An autoencoder that leaves latents as they are."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


def run_of(source: Path, **settings: object) -> Run:
    prior = json.dumps({"name": "sdxl", "source": str(source), **settings})
    return Run(recipe.read(["recipe=digits", f"prior={prior}", "decoder=sdxl"]).recipe)


@pytest.fixture(scope="module")
def run(source: Path) -> Run:
    return run_of(source)


def ours(run: Run, **settings: object) -> torch.Tensor:
    block = {"name": "sdxl", "start": "noise", "steps": 5, **settings}
    with torch.inference_mode():
        return run.make("decoder", block, autoencoder=Latents(), seed=1).decode(BLOCK)


def theirs(pipeline: Any, guidance: float, negative: str | None) -> torch.Tensor:
    noise = keyed.normal(keyed.seed_of("decode", 1), BLOCK.keys, (4, 4, 4))
    return pipeline(
        prompt=["4", "7"],
        negative_prompt=None if negative is None else [negative] * 2,
        latents=noise,
        guidance_scale=guidance,
        num_inference_steps=5,
        output_type="latent",
    ).images


@pytest.mark.parametrize("negative", [None, "", "bad"])
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_latents_are_those_of_diffusers_own_pipeline(
    pipeline: Any, run: Run, guidance: float, negative: str | None
):
    expected = theirs(pipeline, guidance, negative)
    found = ours(run, guidance=guidance, negative_prompt=negative)
    assert float((found - expected).abs().max()) <= 1e-5 * max(1, float(expected.abs().max()))


def test_no_negative_prompt_is_an_empty_one_if_the_pipeline_says_so(
    pipeline: Any, source: Path, tmp_path: Path
):
    for part in ("unet", "scheduler", "tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"):
        (tmp_path / part).symlink_to(source / part)
    index = {**read_json(source / "model_index.json"), "force_zeros_for_empty_prompt": False}
    write_json(tmp_path / "model_index.json", index)
    found = ours(run_of(tmp_path), guidance=5.0)
    assert torch.allclose(found, theirs(pipeline, 5.0, ""), atol=1e-5)
    assert not torch.allclose(found, theirs(pipeline, 5.0, None), atol=1e-3)


def test_many_prompts_are_embedded_in_parts(run: Run):
    many = tuple(str(number) for number in range(70))
    found, first, last = (
        run.prior.embed(many),
        run.prior.embed(many[:1]),
        run.prior.embed(many[-1:]),
    )
    for name, rows in found.items():
        assert len(rows) == 70
        torch.testing.assert_close(rows[[0, 69]], torch.cat([first[name], last[name]]))


def test_the_size_that_the_network_is_told_matters(source: Path):
    run = run_of(source, image_size=64)
    conditions = run.prior.conditions(run.images)
    assert conditions.wanted["time_ids"][0].tolist() == [64, 64, 0, 0, 64, 64]
