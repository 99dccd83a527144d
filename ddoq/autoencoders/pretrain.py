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
from ddoq.autoencoders.new import encoded, mean_latents, new_autoencoder
from ddoq.autoencoders.perceptual import Maps, distance, maps_of
from ddoq.autoencoders.quality import reconstruction_quality
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.files.card import write_card
from ddoq.protocols.protocol import Protocol
from ddoq.students.feed import Batch
from ddoq.students.lessons import feed_of, hard_protocol, train_on_images
from ddoq.training.pace import seconds_of_step

if TYPE_CHECKING:
    from ddoq.run import Run


class AutoencoderTraining(LightningModule):
    """The training of an autoencoder on absolute error, plus a little KL if it has a posterior.

    If it is given a teacher's feature maps, reconstructions should be near in these too.
    """

    def __init__(
        self,
        model: Any,
        *,
        kl_weight: float,
        lr: float,
        steps: int,
        perceptual: float = 0.0,
        maps: Maps | None = None,
    ) -> None:
        super().__init__()
        self.model, self.kl_weight, self.lr, self.steps = model, kl_weight, lr, steps
        self.perceptual, self.maps = perceptual, maps

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Leave a step where it is: the feed made it on the device."""
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one step."""
        x = batch.images * 2 - 1
        latents, divergence = encoded(self.model, x)
        decoded = self.model.decode(latents).sample
        loss = F.l1_loss(decoded, x) + self.kl_weight * divergence
        if self.maps is None:
            return loss
        with torch.no_grad():
            wanted = self.maps(batch.images)
        return loss + self.perceptual * distance(self.maps(decoded / 2 + 0.5), wanted)

    def configure_optimizers(self) -> Any:
        """Return AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr, fused=True)
        schedule = OneCycleLR(optimizer, self.lr, total_steps=self.steps + 1, pct_start=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True, kw_only=True)
class AutoencoderPretraining:
    """How an autoencoder of the recipe's kind is trained from scratch and saved."""

    steps: int = 1500
    batch_size: int = 32
    width: int = 32
    downsamplings: int = 3
    latent_channels: int = 4
    kl_weight: float = 1e-2
    perceptual: float = 0.0
    """The weight of the distance in the teacher's feature maps. Above 0 the teacher comes first."""
    lr: float = 2e-3
    flip: bool = True

    def train(self, run: "Run", work: Path) -> None:
        """Train, and leave the autoencoder and its card in `work`."""
        start = time.perf_counter()
        teacher = run.teacher if self.perceptual else None
        module = self._begin(run, teacher)
        before = train_on_images(run, module, self._protocol, work).seconds_before
        if run.world.is_first:
            seconds = before + time.perf_counter() - start
            how = f"{self.steps} steps of {self.batch_size} images, absolute error"
            if teacher:
                how += f" + {self.perceptual:g} x distance in the teacher's feature maps"
            _finish(run, module.model.eval().cpu(), teacher, work, how=how, seconds=seconds)

    def seconds(self, run: "Run") -> float:
        """Return about how long the training takes, from a few steps without a teacher."""
        module = self._begin(run, None).to(run.world.device)
        batch = feed_of(run, run.images.whole(), self._protocol, run.recipe.seed).batch(0)
        optimizer = module.configure_optimizers()["optimizer"]
        return self.steps * seconds_of_step(lambda: module.training_step(batch, 0), optimizer)

    @property
    def _protocol(self) -> Protocol:
        return hard_protocol(
            "autoencoder",
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=0.0,
            flip=self.flip,
        )

    def _begin(self, run: "Run", teacher: Any) -> AutoencoderTraining:
        """Return a new autoencoder and how it learns."""
        torch.manual_seed(keyed.seed_of("autoencoder", run.recipe.seed))
        model = new_autoencoder(
            run.recipe.autoencoder["name"],
            run.images,
            width=self.width,
            downsamplings=self.downsamplings,
            latent_channels=self.latent_channels,
        )
        return AutoencoderTraining(
            model,
            kl_weight=self.kl_weight,
            lr=self.lr,
            steps=self.steps,
            perceptual=self.perceptual if teacher else 0.0,
            maps=maps_of(teacher) if teacher else None,
        )


def _finish(run: "Run", model: Any, teacher: Any, work: Path, *, how: str, seconds: float) -> None:
    """Scale latents to unit variance, measure the autoencoder on validation images, and save."""
    images = run.images

    def asked(seen: Tensor) -> Tensor:
        return teacher(seen.to(run.world.device))

    with torch.inference_mode():
        latents = mean_latents(model, _sample(images))
        model.register_to_config(scaling_factor=1 / float(latents.std()))
        quality = reconstruction_quality(model, images, asked if teacher else None)
    model.save_pretrained(work, safe_serialization=True)
    write_card(
        work,
        title="Autoencoder",
        images=images,
        how=how,
        seconds=seconds,
        quality={
            **quality,
            "latent shape": list(latents.shape[1:]),
            "parameters": sum(p.numel() for p in model.parameters()),
        },
    )


def _sample(images: Images, num: int = 1024) -> Float[Tensor, "n c h w"]:
    """Return random training images of all classes."""
    chosen = keyed.permutation(len(images.train), "scale of latents")[:num]
    return as_floats(images.some("train", chosen))
