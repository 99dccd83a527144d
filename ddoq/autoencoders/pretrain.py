"""Training of an autoencoder on the recipe's own images, saved as a folder for diffusers."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from ddoq import keyed
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.files.card import write_card
from ddoq.students.feed import Batch
from ddoq.students.lessons import hard_protocol, train_on_images

if TYPE_CHECKING:
    from ddoq.run import Run


class AutoencoderTraining(LightningModule):
    """The training of an autoencoder on absolute error, plus a little KL if it has a posterior."""

    def __init__(self, model: Any, *, kl_weight: float, lr: float, steps: int) -> None:
        super().__init__()
        self.model, self.kl_weight, self.lr, self.steps = model, kl_weight, lr, steps

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Leave a step where it is: the feed made it on the device."""
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one step."""
        x = batch.images * 2 - 1
        latents, divergence = encoded(self.model, x)
        return F.l1_loss(self.model.decode(latents).sample, x) + self.kl_weight * divergence

    def configure_optimizers(self) -> Any:
        """Return AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr, fused=True)
        schedule = OneCycleLR(optimizer, self.lr, total_steps=self.steps + 1, pct_start=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def encoded(
    model: Any, x: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n d g g"], Float[Tensor, ""]]:
    """Return latents for the decoder, and the KL per dimension (0 without a posterior)."""
    output = model.encode(x)
    if "latent_dist" in output:
        posterior = output.latent_dist
        return posterior.sample(), posterior.kl().mean() / posterior.mean[0].numel()
    return output.latents, x.new_zeros(())


@dataclass(frozen=True, kw_only=True)
class AutoencoderPretraining:
    """How an autoencoder of the recipe's kind is trained from scratch and saved."""

    steps: int = 1500
    batch_size: int = 32
    width: int = 32
    downsamplings: int = 3
    latent_channels: int = 4
    kl_weight: float = 1e-2
    lr: float = 2e-3
    flip: bool = True

    def train(self, run: "Run", work: Path) -> None:
        """Train, and leave the autoencoder and its card in `work`."""
        start = time.perf_counter()
        images, kind = run.images, run.recipe.autoencoder["name"]
        torch.manual_seed(keyed.seed_of("autoencoder", run.recipe.seed))
        model = _new(kind, images, self.width, self.downsamplings, self.latent_channels)
        module = AutoencoderTraining(model, kl_weight=self.kl_weight, lr=self.lr, steps=self.steps)
        protocol = hard_protocol(
            "autoencoder",
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=0.0,
            flip=self.flip,
        )
        before = train_on_images(run, module, protocol, work).seconds_before
        if run.world.is_first:
            seconds = before + time.perf_counter() - start
            _finish(model.eval().cpu(), images, work, self.steps, self.batch_size, seconds)


def _new(kind: str, images: Images, width: int, downsamplings: int, latent_channels: int) -> Any:
    side = images.image_size
    if side % 2**downsamplings:
        raise UsageError(
            f"pretrain.autoencoder: {side} pixels cannot be halved {downsamplings} times",
            "choose data.image_size or pretrain.autoencoder.downsamplings to fit",
        )
    levels = downsamplings + 1
    sizes: dict[str, Any] = {
        "in_channels": images.channels,
        "out_channels": images.channels,
        "latent_channels": latent_channels,
    }
    if kind == "tiny":
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        return AutoencoderTiny(
            **sizes,
            encoder_block_out_channels=(width,) * levels,
            decoder_block_out_channels=(width,) * levels,
            num_encoder_blocks=(1,) * levels,
            num_decoder_blocks=(1,) * levels,
        )
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    sizes["down_block_types"] = ("DownEncoderBlock2D",) * levels
    sizes["up_block_types"] = ("UpDecoderBlock2D",) * levels
    return AutoencoderKL(
        **sizes,
        block_out_channels=tuple(width * min(2**i, 4) for i in range(levels)),
        layers_per_block=1,
        norm_num_groups=min(8, width),
        sample_size=side,
        scaling_factor=1.0,
    )


def _finish(
    model: Any, images: Images, work: Path, steps: int, batch_size: int, seconds: float
) -> None:
    """Scale latents to unit variance, measure the autoencoder on validation images, and save."""
    with torch.inference_mode():
        latents = _mean(model, _sample(images))
        model.register_to_config(scaling_factor=1 / float(latents.std()))
        psnr = _psnr(model, images)
    model.save_pretrained(work, safe_serialization=True)
    write_card(
        work,
        title="Autoencoder",
        images=images,
        how=f"{steps} steps of {batch_size} images, absolute error",
        seconds=seconds,
        quality={
            "reconstruction PSNR on validation, dB": psnr,
            "latent shape": list(latents.shape[1:]),
            "parameters": sum(p.numel() for p in model.parameters()),
        },
    )


def _sample(images: Images, num: int = 1024) -> Float[Tensor, "n c h w"]:
    """Return random training images of all classes."""
    chosen = keyed.permutation(len(images.train), "scale of latents")[:num]
    return as_floats(images.some("train", chosen))


def _psnr(model: Any, images: Images) -> float | str:
    if len(images.val) == 0:
        return "not measured, there are no validation images"
    errors = [
        (model.decode(_mean(model, x)).sample / 2 + 0.5 - x).square().mean((1, 2, 3))
        for x, _ in images.batches("val")
    ]
    return float((-10 * torch.cat(errors).clamp_min(1e-10).log10()).mean())


def _mean(model: Any, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d g g"]:
    output = model.encode(x * 2 - 1)
    return output.latent_dist.mean if "latent_dist" in output else output.latents
