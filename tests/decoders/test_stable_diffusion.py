"""Does the UNet track run, on a small random model in the pipeline's own layout?"""

import json
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.decoders.blocks import Block
from ddoq.run import Run

transformers = pytest.importorskip("transformers", reason="needs the extra stable-diffusion")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_pndm import PNDMScheduler

    folder = tmp_path_factory.mktemp("sd")
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    ).save_pretrained(folder / "unet")
    PNDMScheduler(skip_prk_steps=True, steps_offset=1).save_pretrained(folder / "scheduler")
    letters = [*"0123456789abcdefghijklmnopqrstuvwxyz,"]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    vocabulary = {word: i for i, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=8
    )
    tokenizer.save_pretrained(folder / "tokenizer")
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
    )
    transformers.CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


@pytest.fixture(scope="module")
def run(source: Path) -> Run:
    prior = f"prior={{name: stable_diffusion, source: '{source}'}}"
    return Run(recipe.read(["recipe=digits", prior, "decoder=stable_diffusion"]).recipe)


def block(ranks: list[int]) -> Block:
    points = torch.ones(len(ranks), 4, 4, 4)
    return Block(points, torch.zeros(len(ranks), dtype=torch.int64), torch.tensor(ranks))


def test_images_depend_on_seed_class_and_number(run: Run) -> None:
    decoder = run.make("decoder", {"name": "stable_diffusion", "steps": 4, "guidance": 2.0})
    images = decoder.decode(block([0, 1]))
    torch.testing.assert_close(decoder.decode(block([1, 0])), images.flip(0))
    assert not torch.allclose(images[0], images[1])


def test_the_prompt_guides(run: Run) -> None:
    settings = {"name": "stable_diffusion", "steps": 4}
    weak, strong = (
        run.make("decoder", {**settings, "guidance": g}).decode(block([0])) for g in (1.0, 20.0)
    )
    assert not torch.allclose(weak, strong)
