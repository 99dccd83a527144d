"""Is an image a function of (seed, class, k), whatever block and rank it was decoded in?"""

import threading
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.pipelines.dit import pipeline_dit
from diffusers.pipelines.dit.pipeline_dit import DiTPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from ddoq import recipe
from ddoq.autoencoders.identity import Identity
from ddoq.data.conversion import as_bytes
from ddoq.decoders.decoding import decode, read_images
from ddoq.decoders.plain import Plain
from ddoq.decoders.starts import first_step
from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.processes.world import World
from ddoq.quantize.blocks import PointBlock, layout
from ddoq.quantize.quantization import Quantization
from ddoq.run import Run


def quantization(points: torch.Tensor, labels: torch.Tensor, classes: int) -> Quantization:
    """Points of mass 1 each."""
    num = len(labels)
    return Quantization(
        points=points,
        labels=labels,
        counts=torch.ones(num, dtype=torch.int64),
        masses=torch.ones(num, dtype=torch.float64),
        distortions=torch.zeros(classes, dtype=torch.float64),
        requested=torch.ones(classes, dtype=torch.int64),
    )


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(recipe.read(["recipe=digits"]).recipe)


@pytest.fixture
def points() -> Quantization:
    """Seven points: class 0 has three, class 1 has four."""
    torch.manual_seed(0)
    return quantization(
        torch.randn(7, 4, 4, 4), labels=torch.tensor([0, 0, 0, 1, 1, 1, 1]), classes=2
    )


def decoded(
    run: Run, points: Quantization, work: Path, *, seed: int = 0, **settings: object
) -> torch.Tensor:
    work.mkdir(parents=True)
    block = {"name": "dit", "steps": 4, "strength": 0.5, **settings}
    decoder = run.make("decoder", block, seed=seed)
    decode(points, decoder, work, image_size=8, world=World())
    return read_images(work)


def test_the_last_block_is_padded_and_the_padding_is_dropped(points: Quantization) -> None:
    found = layout(points, 3)
    blocks = [found.block(points, number) for number in range(len(found))]
    assert [b.labels.tolist() for b in blocks] == [[0, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert [b.ranks.tolist() for b in blocks] == [[0, 1, 2], [0, 1, 2], [3, 3, 3]]
    assert [b.num for b in blocks] == [3, 3, 1]


def test_blocks_of_a_single_class_are_no_larger_than_the_largest_class(
    points: Quantization,
) -> None:
    found = layout(points, 64, by_class=True)
    assert [rows.tolist() for rows in found.rows] == [[0, 1, 2, 0], [3, 4, 5, 6]]
    smaller = layout(points, 2, by_class=True)
    assert [rows.tolist() for rows in smaller.rows] == [[0, 1], [2, 2], [3, 4], [5, 6]]
    assert smaller.nums == [2, 1, 2, 2]


def test_plain_decodes_the_point_itself(tmp_path: Path) -> None:
    pixels = torch.rand(2, 1, 8, 8)
    q = quantization(Identity().encode(pixels), labels=torch.tensor([0, 1]), classes=2)
    decode(q, Plain(Identity(), block=5), tmp_path, image_size=8, world=World())
    assert torch.equal(read_images(tmp_path), as_bytes(pixels))


def test_nearest_returns_the_image_whose_latent_is_the_point(run: Run, tmp_path: Path) -> None:
    rows = [0, 17, 40]
    q = quantization(
        run.latents.latents(3)[rows].float() + 1e-3, labels=torch.tensor([3, 3, 3]), classes=10
    )
    decode(q, run.make("decoder", {"name": "nearest"}), tmp_path, image_size=8, world=World())
    expected = run.images.train.read(run.latents.index(3)[rows], 8)
    assert torch.equal(read_images(tmp_path), expected)


def test_another_block_size_changes_next_to_no_pixel(
    run: Run, points: Quantization, tmp_path: Path
) -> None:
    one = decoded(run, points, tmp_path / "a", block=2).int()
    other = decoded(run, points, tmp_path / "b", block=7).int()
    difference = (one - other).abs()
    assert int(difference.max()) <= 1
    assert float((difference > 0).float().mean()) <= 0.005


def test_the_noise_of_a_point_depends_on_class_and_number_alone(
    run: Run, points: Quantization, tmp_path: Path
) -> None:
    whole = decoded(run, points, tmp_path / "a", block=7)
    kept = points.labels == 1
    alone = quantization(points.points[kept], labels=points.labels[kept], classes=2)
    part = decoded(run, alone, tmp_path / "b", block=7)
    assert int((part.int() - whole[3:].int()).abs().max()) <= 1


def test_the_seed_changes_the_images(run: Run, points: Quantization, tmp_path: Path) -> None:
    first = decoded(run, points, tmp_path / "a")
    second = decoded(run, points, tmp_path / "b", seed=1)
    assert not torch.equal(first, second)


def test_no_strength_is_the_plain_decoder(run: Run, points: Quantization, tmp_path: Path) -> None:
    dit = decoded(run, points, tmp_path / "a", strength=0.0, block=7)
    (tmp_path / "b").mkdir()
    plain = run.make("decoder", {"name": "plain", "block": 7})
    decode(points, plain, tmp_path / "b", image_size=8, world=World())
    assert torch.equal(dit, read_images(tmp_path / "b"))


def test_finished_blocks_are_not_decoded_again(
    run: Run, points: Quantization, tmp_path: Path
) -> None:
    from ddoq.files.tensors import write_tensors

    marked = torch.full((4, 1, 8, 8), 77, dtype=torch.uint8)  # The first of two blocks.
    write_tensors(tmp_path / "block-00000.safetensors", {"images": marked})
    decoder = run.make("decoder", {"name": "plain", "block": 4})
    decode(points, decoder, tmp_path, image_size=8, world=World())
    assert read_images(tmp_path)[:4].unique().tolist() == [77]


def test_a_strength_above_one_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="strength"):
        run.make("decoder", {"name": "dit", "strength": 1.5})


def test_a_prior_of_other_latents_is_refused(
    run: Run, points: Quantization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.prior, "shape", (4, 32, 32))
    with pytest.raises(UsageError, match=r"shape \(4, 32, 32\), the latents have \(4, 4, 4\)"):
        decoded(run, points, tmp_path / "a")


def test_direct_takes_the_point_for_pure_noise(
    run: Run, points: Quantization, tmp_path: Path
) -> None:
    direct = decoded(run, points, tmp_path / "a", start="direct")
    again = decoded(run, points, tmp_path / "b", seed=5, start="direct")
    assert torch.equal(direct, again)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random pipeline, its schedule saved by another scheduler than DDIM's."""
    folder = tmp_path_factory.mktemp("pipeline")
    torch.manual_seed(0)
    DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=4,
        patch_size=1,
        num_embeds_ada_norm=1000,
    ).save_pretrained(folder / "transformer")
    DDPMScheduler(clip_sample=False).save_pretrained(folder / "scheduler")
    file = folder / "scheduler" / "scheduler_config.json"
    config = {k: v for k, v in read_json(file).items() if k != "clip_sample"}
    write_json(file, config)
    write_json(folder / "classes.json", [str(i) for i in range(10)])
    return folder


# Diffusers' DPM scheduler hands tensors to numpy in an old way.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("guidance", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("scheduler", ["ddim", "dpm"])
def test_latents_are_those_of_diffusers_own_pipeline(
    run: Run, pipeline: Path, monkeypatch: pytest.MonkeyPatch, guidance: float, scheduler: str
) -> None:
    source = {"name": "dit", "source": str(pipeline)}
    prior = run.make("prior", source)
    config = read_json(pipeline / "scheduler" / "scheduler_config.json")
    kinds = {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler}
    off = {"clip_sample": False} if scheduler == "ddim" else {}
    stock = kinds[scheduler].from_config({**config, **off})
    network = DiTTransformer2DModel.from_pretrained(
        pipeline, subfolder="transformer", low_cpu_mem_usage=False
    )
    theirs = DiTPipeline(network, run.autoencoder.model, stock)
    theirs.set_progress_bar_config(disable=True)
    labels, noise = torch.tensor([3, 8, 3]), 2 * torch.randn(3, 4, 4, 4)
    monkeypatch.setattr(pipeline_dit, "randn_tensor", lambda **_: noise)
    images = theirs(
        labels.tolist(), guidance_scale=guidance, num_inference_steps=7, output_type="pt"
    ).images
    settings = {"steps": 7, "guidance": guidance, "scheduler": scheduler, "start": "direct"}
    decoder = run.make("decoder", {"name": "dit", **settings}, prior=prior)
    with torch.inference_mode():
        ours = decoder.decode(PointBlock(noise, labels, torch.arange(3))).clamp(0, 1)
    assert torch.allclose(ours, images, atol=1e-5)


@pytest.mark.parametrize(("strength", "steps_made"), [(0.7, 17), (0.02, 0), (1.0, 25), (0.12, 3)])
def test_strength_is_cut_off_to_whole_steps_as_diffusers_does(
    strength: float, steps_made: int
) -> None:
    assert 25 - first_step(25, strength) == steps_made


def test_a_strength_too_small_for_a_step_leaves_the_point(
    run: Run, points: Quantization, tmp_path: Path
) -> None:
    small, none = (
        decoded(run, points, tmp_path / f"{s}", steps=20, strength=s) for s in (0.02, 0.0)
    )
    assert torch.equal(small, none)


class Remembering(Plain):
    """A decoder of whole classes that remembers what it was given."""

    by_class = True

    def __init__(self, block: int) -> None:
        super().__init__(Identity(), block=block)
        self.seen: list[PointBlock] = []

    def decode(self, block: PointBlock) -> torch.Tensor:
        self.seen.append(block)
        return super().decode(block)


def test_a_class_is_decoded_in_order_beside_its_points_and_earlier_images(tmp_path: Path) -> None:
    q = quantization(torch.rand(5, 1, 8, 8), labels=torch.tensor([0, 0, 0, 1, 1]), classes=2)
    decoder = Remembering(block=2)
    decode(q, decoder, tmp_path, image_size=8, world=World())
    made = read_images(tmp_path)
    company = [b.company for b in decoder.seen]
    assert [c is not None and len(c.points) for c in company] == [3, 3, 2]
    assert [c is not None and len(c.images) for c in company] == [0, 2, 0]
    assert company[1] is not None
    assert torch.equal(as_bytes(company[1].images), made[:2])


def test_ranks_share_whole_classes_and_blocks_resume(tmp_path: Path) -> None:
    q = quantization(torch.rand(5, 1, 8, 8), labels=torch.tensor([0, 0, 0, 1, 1]), classes=2)
    alone, other = Remembering(block=2), Remembering(block=2)
    (tmp_path / "a").mkdir()
    decode(q, alone, tmp_path / "a", image_size=8, world=World())

    class Interrupted(Remembering):
        def decode(self, block: PointBlock) -> torch.Tensor:
            if len(self.seen) == 1:
                raise KeyboardInterrupt
            return super().decode(block)

    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        decode(q, Interrupted(block=2), tmp_path / "b", image_size=8, world=World())
    decode(q, other, tmp_path / "b", image_size=8, world=World())
    assert len(other.seen) == 2
    assert torch.equal(read_images(tmp_path / "b"), read_images(tmp_path / "a"))


class Small(Plain):
    """A decoder on a device that holds three points."""

    def __init__(self, block: int | None) -> None:
        super().__init__(Identity(), block=8)
        self.block, self.sizes = block, []  # type: ignore[assignment]

    def decode(self, block: PointBlock) -> torch.Tensor:
        if len(block.labels) > 3:
            raise torch.OutOfMemoryError
        self.sizes.append(len(block.labels))
        return super().decode(block)


@pytest.mark.parametrize("block", [8, None])
def test_a_block_that_does_not_fit_is_halved_once_for_all(
    tmp_path: Path, block: int | None
) -> None:
    q = quantization(torch.rand(20, 1, 8, 8), labels=torch.zeros(20).long(), classes=1)
    decoder = Small(block)
    decode(q, decoder, tmp_path, image_size=8, world=World())
    assert torch.equal(read_images(tmp_path), as_bytes(Identity().decode(q.points)))
    assert set(decoder.sizes) == {2}


def test_a_cpu_without_memory_is_a_device_too(tmp_path: Path) -> None:
    class Full(Small):
        def decode(self, block: PointBlock) -> torch.Tensor:
            try:
                return super().decode(block)
            except torch.OutOfMemoryError:
                return torch.empty(2**60)

    q = quantization(torch.rand(6, 1, 8, 8), labels=torch.zeros(6).long(), classes=1)
    decoder = Full(6)
    decode(q, decoder, tmp_path, image_size=8, world=World())
    assert set(decoder.sizes) == {3}


def test_no_block_is_larger_than_the_set(points: Quantization) -> None:
    assert [rows.tolist() for rows in layout(points, 64).rows] == [[0, 1, 2, 3, 4, 5, 6]]


def test_a_device_too_small_for_one_point_is_an_error(tmp_path: Path) -> None:
    class Full(Plain):
        def decode(self, block: PointBlock) -> torch.Tensor:
            raise torch.OutOfMemoryError

    q = quantization(torch.rand(2, 1, 8, 8), labels=torch.zeros(2).long(), classes=1)
    with pytest.raises(ResourceError, match="do not fit into the memory"):
        decode(q, Full(Identity(), block=4), tmp_path, image_size=8, world=World())


def test_a_block_is_written_while_the_next_one_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddoq.decoders import decoding

    events: list[str] = []
    decoded, written = threading.Event(), decoding.write_tensors

    def slow(file: Path, tensors: dict[str, torch.Tensor]) -> None:
        # The first block is on its way to the disk until the second one is decoded.
        assert decoded.wait(20)
        written(file, tensors)
        events.append(f"written {file.stem}")

    class Noted(Plain):
        def decode(self, block: PointBlock) -> torch.Tensor:
            events.append("decoded")
            if len(events) == 2:
                decoded.set()
            return super().decode(block)

    monkeypatch.setattr(decoding, "write_tensors", slow)
    q = quantization(torch.rand(4, 1, 8, 8), labels=torch.zeros(4).long(), classes=1)
    decode(q, Noted(Identity(), block=2), tmp_path, image_size=8, world=World())
    assert events[:2] == ["decoded", "decoded"]
    assert torch.equal(read_images(tmp_path), as_bytes(Identity().decode(q.points)))
