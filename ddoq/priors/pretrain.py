"""Training of a prior from scratch on the recipe's own images or latents."""

import copy
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddoq import keyed
from ddoq.errors import UsageError
from ddoq.files.card import write_card
from ddoq.files.license import licenses_of
from ddoq.priors import examples
from ddoq.priors.classes import Classes
from ddoq.priors.nets import Net, separate
from ddoq.priors.objectives import Objective
from ddoq.priors.samples import Samples
from ddoq.priors.space import SampleSpace, save_space
from ddoq.priors.training import PriorTraining
from ddoq.priors.validation import Validation
from ddoq.recipe.component import Block, build
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.recipe.tables import NETS
from ddoq.training.loop import Trained, train
from ddoq.training.losses import write_losses
from ddoq.training.pace import seconds_of_step
from ddoq.training.progress import Progress
from ddoq.training.steps import Steps

if TYPE_CHECKING:
    from lightning import Callback

    from ddoq.run import Run


@dataclass(frozen=True, kw_only=True)
class PriorPretraining:
    """How a class-conditional prior is trained, and saved as folders that diffusers loads."""

    net: Block | None = None
    """The network, its sizes and what it learns. If null, the one of the recipe's prior's name."""
    space: Literal["latents", "pixels"] = "latents"
    """What the network denoises: the recipe's latents, or pixels in [-1, 1]."""
    steps: int = 2000
    minutes: float | None = None
    """In place of `steps`: as many as fit, which is measured once before the training."""
    batch_size: int = 64
    """Of all ranks together."""
    lr: float = 1e-3
    warmup: float = 0.05
    """The share of the steps in which the rate rises."""
    half_life: float = 0.05
    """The half-life of the weights' running mean, as a share of all samples that are seen."""
    flip: bool = False
    """Whether images are mirrored at random, which only pixels can be."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The precision of computations in training. Weights are in single precision."""
    compile: bool = False
    """Whether torch compiles the network: it starts slowly and is faster afterwards."""
    checkpointing: bool = False
    """Whether activations are computed again backward, which saves memory and takes time."""
    samples: int = 4
    """The number of times that samples are drawn and judged, evenly, including the end."""
    validations: int = 10
    """The number of times that the loss on validation images is measured, evenly, as above."""

    def train(self, run: "Run", work: Path) -> None:
        """Train, and leave weights, schedule, classes and a card in `work`."""
        start = time.perf_counter()
        assert self.minutes is None, "the run turns minutes into steps"
        net, objective, module, feed = self.begin(run)
        save = partial(_save, run, net, objective, module.average.module, self.space)
        shown = Samples(run, work, save, space=self.space, steps=self.steps, times=self.samples)
        held_out = None
        if self.validations:
            held_out = examples.of_validation(run, self.space, batch_size=self.batch_size)
        checked = Validation(run, held_out, steps=self.steps, times=self.validations)
        trained = self._fit(run, module, feed, work, shown, checked)
        if not run.world.is_first:
            return
        shutil.rmtree(shown.snapshot, ignore_errors=True)
        save(work)
        write_losses(work, trained.losses, **checked.curve)
        seconds = trained.seconds_before + time.perf_counter() - start
        last = trained.losses[-max(1, self.steps // 10) :].mean()
        write_card(
            work,
            title=f"Prior: class-conditional {net.part} in {self.space}",
            images=run.images,
            how=f"{self.steps} steps of {self.batch_size} {self.space}, {objective.learns}, "
            f"computed in {self.dtype}, weights averaged",
            seconds=seconds,
            quality={
                "samples seen": self.steps * self.batch_size,
                "loss, mean of the last tenth": float(last),
                "loss on validation": checked.losses.get(self.steps, "not measured"),
                "parameters": sum(p.numel() for p in net.model.parameters()),
                **shown.verdicts,
            },
            trained_from=licenses_of(
                {"autoencoder": run.recipe.autoencoder} if self.space == "latents" else {}
            ),
        )

    def begin(self, run: "Run") -> tuple[Net, Objective, PriorTraining, examples.Examples]:
        """Return a new network, what it learns, its training, and its examples."""
        if self.flip and self.space == "latents":
            raise UsageError(
                "pretrain.prior: flip=true with space=latents", "only pixels can be mirrored"
            )
        feed = (
            examples.of_pixels(run, batch_size=self.batch_size, flip=self.flip)
            if self.space == "pixels"
            else examples.of_latents(run, batch_size=self.batch_size)
        )
        return *self._module(run, feed.shape), feed

    def seconds(self, run: "Run") -> float:
        """Return about how long the training takes, from a few steps on noise."""
        if self.minutes is not None:
            return 60 * self.minutes
        images, how = run.images, run.recipe.pretrain["autoencoder"]
        shape: tuple[int, ...] = (images.channels, images.image_size, images.image_size)
        if self.space == "latents" and run.recipe.autoencoder.get("source") == "pretrain":
            side = images.image_size // 2 ** how["downsamplings"]
            shape = (how["latent_channels"], side, side)
        elif self.space == "latents":
            shape = run.autoencoder.latent_shape(images.channels, images.image_size)
        _, _, module = self._module(run, shape)
        module.to(run.world.device)
        places = torch.arange(self.batch_size, device=run.world.device)
        batch = torch.randn(self.batch_size, *shape, device=places.device), places * 0, places
        optimizer = module.configure_optimizers()["optimizer"]
        return self.steps * seconds_of_step(lambda: module.loss(batch), optimizer)

    def _module(self, run: "Run", shape: tuple[int, ...]) -> tuple[Net, Objective, PriorTraining]:
        """Return a new network for samples of a shape, what it learns, and its training."""
        seed = run.recipe.seed
        torch.manual_seed(keyed.seed_of("prior", seed))
        if self.net is None:
            raise UsageError(
                f"prior {run.recipe.prior['name']} cannot be trained here",
                f"give its weights by prior.source, or use one of {', '.join(NETS)}",
            )
        net: Net = build(KINDS, "net", self.net, shape=shape, num_classes=run.num_classes)
        objective: Objective = build(
            KINDS, "objective", complete(KINDS, "objective", net.objective)
        )
        return net, objective, PriorTraining(net, objective, self, seed=seed)

    def _fit(
        self,
        run: "Run",
        module: PriorTraining,
        feed: examples.Examples,
        work: Path | None,
        *callbacks: "Callback",
    ) -> Trained:
        name = f"prior: {self.steps} steps of {self.batch_size} {self.space}"
        with run.console.stage(name, self.steps * self.batch_size) as bar:
            progress, batches = Progress(bar, by=self.batch_size), Steps(feed.batch, self.steps)
            return train(
                run, module, "pretrain prior", work, progress, *callbacks, train_dataloaders=batches
            )


def _save(
    run: "Run", net: Net, objective: Objective, model: Any, space: SampleSpace, folder: Path
) -> None:
    """Save in the layout of a diffusers pipeline, whole if the stock pipeline can draw with it."""
    images, schedule = run.images, objective.schedule
    # A copy, as the training may go on, in plain memory order, which safetensors needs.
    model = copy.deepcopy(model).eval().to("cpu", memory_format=torch.contiguous_format)
    separate(model)
    is_latent_dit = net.part == "transformer" and space == "latents"
    is_stock = is_latent_dit and type(schedule).__name__ == "DDIMScheduler"
    if is_stock and run.recipe.autoencoder["name"] == "kl":
        from diffusers.pipelines.dit.pipeline_dit import DiTPipeline

        vae = run.autoencoder.model
        names = {i: name.replace(",", " ") for i, name in enumerate(images.class_names)}
        pipeline = DiTPipeline(model, vae, schedule, id2label=names)
        pipeline.save_pretrained(folder, safe_serialization=True)
    else:
        model.save_pretrained(folder / net.part, safe_serialization=True)
        schedule.save_pretrained(folder / "scheduler")
    Classes(images.class_ids).save(folder)
    save_space(folder, space)
