"""Are the networks those of their papers?"""

import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

from ddoq.errors import UsageError
from ddoq.priors.nets import dit, separate

TINY = {"layers": 3, "heads": 2, "head_size": 8}


def tiny(**settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return dit((2, 8, 8), 10, **TINY, **settings).model


@pytest.mark.parametrize(("size", "millions"), [("S", 33), ("B", 130), ("L", 458), ("XL", 675)])
def test_sizes_by_name_have_the_papers_parameters(size: str, millions: float) -> None:
    """Peebles and Xie 2023, Table 4, with patches of 2 in latents of 4 x 32 x 32."""
    with torch.device("meta"):
        model = dit((4, 32, 32), 1000, size=size, patch_size=2).model
    found = sum(p.numel() for p in model.parameters())
    assert found / 1e6 == pytest.approx(millions, rel=0.02)


def test_a_number_beside_a_name_changes_that_alone() -> None:
    with torch.device("meta"):
        config = dit((4, 8, 8), 10, size="S", layers=2).model.config
    assert (config.num_layers, config.num_attention_heads, config.attention_head_dim) == (2, 6, 64)


@pytest.mark.parametrize(("side", "patch"), [(8, 1), (17, 1), (28, 2), (32, 4), (64, 8)])
def test_by_default_a_side_has_eight_patches_or_more(side: int, patch: int) -> None:
    with torch.device("meta"):
        assert dit((3, side, side), 10).model.config.patch_size == patch


def test_a_new_dit_of_the_paper_returns_zero_and_its_layers_nothing_new() -> None:
    model, x = tiny(), torch.randn(3, 2, 8, 8)
    times, labels = torch.tensor([1.0, 500.0, 999.0]), torch.tensor([0, 5, 9])
    patches = model.pos_embed(x)
    assert not model(x, times, class_labels=labels).sample.any()
    through = model.transformer_blocks[0](patches, timestep=times, class_labels=labels)
    assert torch.equal(through, patches)
    assert tiny(zero=False)(x, times, class_labels=labels).sample.any()


def test_layers_share_their_embedding_in_training_and_not_in_files(tmp_path) -> None:
    model, x = tiny(zero=False), torch.randn(2, 2, 8, 8)
    call = {"timestep": torch.tensor([3, 700]), "class_labels": torch.tensor([1, 1000])}
    expected = model(x, **call).sample
    shared = sum(p.numel() for p in model.parameters())
    separate(model)
    model.save_pretrained(tmp_path)
    loaded = DiTTransformer2DModel.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert torch.allclose(loaded(x, **call).sample, expected, atol=1e-6)
    embedding = sum(p.numel() for p in model.transformer_blocks[0].norm1.emb.parameters())
    assert sum(p.numel() for p in model.parameters()) == shared + 2 * embedding


def test_patches_must_fit_the_sample() -> None:
    assert dit((1, 8, 8), 10, **TINY, patch_size=4).model.config.patch_size == 4
    with pytest.raises(UsageError, match="patch_size=3 for samples of 8 x 8"):
        dit((1, 8, 8), 10, **TINY, patch_size=3)
