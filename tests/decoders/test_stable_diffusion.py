"""Does the UNet track run, on a small random model in the pipeline's own layout?"""

import json
import shutil
from pathlib import Path

import pytest
import torch

from ddoq import keyed, recipe
from ddoq.errors import UsageError
from ddoq.priors.conditions import prompts_of, refuse_equal
from ddoq.quantize.blocks import PointBlock
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


def test_prompts_are_read_in_single_precision_whatever_the_folder_says(
    run: Run, source: Path, tmp_path: Path
) -> None:
    """As for SDXL, whose weights are stored in single precision."""
    folder = tmp_path / "half"
    shutil.copytree(source, folder)
    file = folder / "text_encoder" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "dtype": "float16"}))
    prior = run.make("prior", {"name": "stable_diffusion", "source": str(folder)})
    assert torch.equal(prior.embed(("a cat",)), run.prior.embed(("a cat",)))


def block(ranks: list[int]) -> PointBlock:
    points = torch.ones(len(ranks), 4, 4, 4)
    return PointBlock(points, torch.zeros(len(ranks), dtype=torch.int64), torch.tensor(ranks))


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


class Latents:
    """An autoencoder that leaves latents as they are."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


@pytest.mark.parametrize("guidance", [0.5, 1.0, 8.0])
@pytest.mark.parametrize(("steps", "strength"), [(10, 0.7), (25, 0.7), (10, 1.0)])
def test_latents_are_those_of_diffusers_own_pipeline(
    run: Run,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    guidance: float,
    steps: int,
    strength: float,
) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as img2img

    prior, points = run.prior, 3 * torch.randn(2, 4, 4, 4)
    theirs = img2img.StableDiffusionImg2ImgPipeline(
        vae=AutoencoderKL(block_out_channels=(32,), latent_channels=4),
        text_encoder=prior._encoder,
        tokenizer=prior._tokenizer,
        unet=prior.network.model,
        scheduler=prior.schedule.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs.set_progress_bar_config(disable=True)
    own = PointBlock(points, torch.tensor([4, 7]), torch.tensor([0, 5]))
    noise = keyed.normal(keyed.seed_of("decode", 0), own.keys, (4, 4, 4))
    monkeypatch.setattr(img2img, "randn_tensor", lambda *_, **__: noise)
    words = {"negative_prompt": ["bad"] * 2, "prompt": ["4", "7"]}
    settings = {"strength": strength, "guidance": guidance, "steps": steps}
    expected = theirs(
        image=points,
        strength=strength,
        guidance_scale=guidance,
        num_inference_steps=steps,
        output_type="latent",
        **words,
    ).images
    block = {"name": "stable_diffusion", "negative_prompt": "bad", **settings}
    decoder = run.make("decoder", block, autoencoder=Latents())
    with torch.inference_mode():
        ours = decoder.decode(own)
    assert torch.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("a photo of a digit", "the same for every class"), ("a long long prompt {}", "lies beyond")],
)
def test_a_prompt_that_tells_no_class_apart_is_refused(run: Run, prompt: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run.prior.conditions(run.images, prompt)


def test_names_that_differ_in_capitals_are_not_too_long() -> None:
    refuse_equal(("Turkey", "turkey"), torch.tensor([[1, 2], [1, 2]]))
    with pytest.raises(UsageError, match="beyond the 2 tokens"):
        refuse_equal(("a turkey", "a crane"), torch.tensor([[1, 2], [1, 2]]))


def test_wordnet_ids_are_no_prompts() -> None:
    with pytest.raises(UsageError, match="n01440764 says nothing"):
        prompts_of("{}", ("n01440764", "n02102040"))
    assert prompts_of("a {}", ("crane", "crane")) == ("a crane", "a crane")
