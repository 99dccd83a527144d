"""Train a small latent DiT on the recipe's own latents, in the layout of diffusers' DiTPipeline."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ddoq import keyed
from ddoq.artifacts import write_json
from ddoq.callbacks.progress import Progress
from ddoq.card import write_card
from ddoq.data.latents import Latents
from ddoq.errors import UsageError
from ddoq.priors.dit import CLASSES
from ddoq.training import train

if TYPE_CHECKING:
    from ddoq.run import Run

# The stock pipeline hard-codes 1000 as the label of "no class".
_NUM_LABELS = 1000


class PriorTraining(LightningModule):
    """Predict the noise in noised latents (Ho et al. 2020), keeping an average of the weights."""

    def __init__(self, model: Any, scheduler: Any, *, lr: float, steps: int, seed: int) -> None:
        super().__init__()
        self.model, self.lr, self.steps = model, lr, steps
        self._scheduler, self._seed = scheduler, seed
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        self.average.requires_grad_(False)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the mean squared error of the predicted noise."""
        latents, labels = batch
        rank = self.trainer.global_rank
        draw = keyed.generator("prior", self._seed, batch_idx, rank)
        times = torch.randint(_NUM_LABELS, (len(latents),), generator=draw).to(latents.device)
        noise = torch.randn(latents.shape, generator=draw).to(latents)
        noised = self._scheduler.add_noise(latents, noise, times)
        return F.mse_loss(self.model(noised, timestep=times, class_labels=labels).sample, noise)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and move the average before any callback looks."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.model)

    def configure_optimizers(self) -> Any:
        """Return AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr, fused=True)
        schedule = OneCycleLR(optimizer, self.lr, total_steps=self.steps + 1, pct_start=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_prior(
    run: "Run",
    work: Path,
    *,
    steps: int = 2000,
    batch_size: int = 64,
    layers: int = 4,
    heads: int = 4,
    head_size: int = 24,
    lr: float = 1e-3,
) -> None:
    """Train a class-conditional DiT from scratch and save it to `work`."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    start = time.perf_counter()
    images, latents = run.images, run.latents
    if images.num_classes > _NUM_LABELS:
        raise UsageError(
            f"pretrain.prior: {images.num_classes} classes", f"at most {_NUM_LABELS} fit"
        )
    torch.manual_seed(keyed.seed_of("prior", run.recipe.seed))
    model = _new(latents.shape, layers, heads, head_size)
    scheduler = DDIMScheduler(num_train_timesteps=_NUM_LABELS, clip_sample=False)
    module = PriorTraining(model, scheduler, lr=lr, steps=steps, seed=run.recipe.seed)
    per_rank = max(1, batch_size // run.world.size)
    stream = Latents(latents, batch_size=per_rank, seed=run.recipe.seed, steps=steps)
    with run.console.stage(f"prior: {steps} steps of {batch_size} latents", steps) as bar:
        trained = train(run, module, "pretrain prior", work, Progress(bar), datamodule=stream)
    if run.world.is_first:
        _save(run, module.average.module.eval().cpu(), scheduler, work)
        last = trained.losses[-max(1, steps // 10) :].mean()
        write_card(
            work,
            title="Prior: class-conditional latent DiT",
            images=images,
            how=f"{steps} steps of {batch_size} latents, noise prediction, weights averaged",
            seconds=trained.seconds_before + time.perf_counter() - start,
            quality={
                "noise prediction error, mean of the last tenth": float(last),
                "parameters": sum(p.numel() for p in model.parameters()),
            },
        )


def _new(shape: tuple[int, ...], layers: int, heads: int, head_size: int) -> Any:
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    return DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=head_size,
        in_channels=shape[0],
        # Stated, as the stock pipeline reads it.
        out_channels=shape[0],
        num_layers=layers,
        sample_size=shape[1],
        patch_size=max(1, shape[1] // 8),
        num_embeds_ada_norm=_NUM_LABELS,
    )


def _save(run: "Run", model: Any, scheduler: Any, work: Path) -> None:
    """Save as a DiTPipeline where the autoencoder is one that it can hold."""
    images = run.images
    if run.recipe.autoencoder["name"] == "kl":
        from diffusers.pipelines.dit.pipeline_dit import DiTPipeline

        vae = run.autoencoder.model
        names = {i: name.replace(",", " ") for i, name in enumerate(images.class_names)}
        pipeline = DiTPipeline(model, vae, scheduler, id2label=names)
        pipeline.save_pretrained(work, safe_serialization=True)
    else:
        model.save_pretrained(work / "transformer", safe_serialization=True)
        scheduler.save_pretrained(work / "scheduler")
    write_json(work / CLASSES, list(images.class_ids))
