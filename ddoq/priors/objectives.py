"""What a prior's network learns: how samples are noised, the target, and each error's weight.

The schedule that is saved beside the weights tells samplers what the network predicts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.keyed import Draws
from ddoq.priors import edm as karras

# From noisy samples and their times to the network's output.
Predictor = Callable[[Tensor, Tensor], Tensor]
Prediction = Literal["epsilon", "v_prediction", "sample"]

# Schedules and networks count times up to this.
_TIMES = 1000


@dataclass(frozen=True)
class Objective:
    """A loss to train a prior's network on, and diffusers' schedule that samples from it."""

    learns: str
    """What the network is trained to do, for the card."""
    schedule: Any
    losses: Callable[[Predictor, Tensor, Draws], Float[Tensor, " n"]]
    """From a network, clean samples and draws to the loss of each sample."""


def noise(*, min_snr: float | None = 5.0) -> Objective:
    """Predict the noise (Ho et al. 2020), with min-SNR-gamma weights (Hang et al. 2023).

    Args:
        min_snr: The signal-to-noise ratio above which times count less. If null, all count alike.
    """
    return _diffusion("noise", "epsilon", min_snr)


def velocity(*, min_snr: float | None = 5.0) -> Objective:
    """Predict v, the velocity along the noising's arc (Salimans and Ho 2022).

    Args:
        min_snr: The signal-to-noise ratio above which times count less. If null, all count alike.
    """
    return _diffusion("velocity", "v_prediction", min_snr)


def clean(*, min_snr: float | None = 5.0) -> Objective:
    """Predict the clean sample, as large patches of pixels want it (Li and He 2025, JiT).

    Args:
        min_snr: The largest weight of an error, which is the signal-to-noise ratio below that. If
            null, all times count alike.
    """
    return _diffusion("clean sample", "sample", min_snr)


def _diffusion(what: str, prediction: Prediction, min_snr: float | None) -> Objective:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    schedule: Any = DDIMScheduler(
        num_train_timesteps=_TIMES, clip_sample=False, prediction_type=prediction
    )

    def losses(network: Predictor, clean: Tensor, draws: Draws) -> Tensor:
        times = (draws.uniform("time", 1)[:, 0] * _TIMES).long()
        noise = draws.normal("noise", tuple(clean.shape[1:]))
        noisy = schedule.add_noise(clean, noise, times)
        target = noise if prediction == "epsilon" else clean
        if prediction == "v_prediction":
            target = schedule.get_velocity(clean, noise, times)
        errors = _errors(network(noisy, times), target)
        if min_snr is None:
            return errors
        kept = schedule.alphas_cumprod.to(errors.device)[times]
        return min_snr_weights(kept / (1 - kept), prediction, most=min_snr) * errors

    how = "all times alike" if min_snr is None else f"min-SNR-{min_snr:g} weights"
    return Objective(f"{what} prediction, {how}", schedule, losses)


def min_snr_weights(
    snr: Float[Tensor, " n"], prediction: Prediction, *, most: float
) -> Float[Tensor, " n"]:
    """Return the weights that make any prediction's error min(SNR, most) times the clean one's."""
    per_error = {"epsilon": 1 / snr, "v_prediction": 1 / (snr + 1), "sample": torch.ones_like(snr)}
    return snr.clamp(max=most) * per_error[prediction]


def flow(*, mean: float = 0.0, std: float = 1.0) -> Objective:
    """Predict the velocity from sample to noise on a straight line (Esser et al. 2024).

    A sample at time t is (1 - t) clean + t noise. The network is called with 1000 t.

    Args:
        mean: The mean of logit(t). A greater one trains more on noisy samples.
        std: The standard deviation of logit(t).
    """
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
        FlowMatchEulerDiscreteScheduler,
    )

    def losses(network: Predictor, clean: Tensor, draws: Draws) -> Tensor:
        times = flow_times(draws.normal("time", (1,))[:, 0], mean=mean, std=std)
        noise = draws.normal("noise", tuple(clean.shape[1:]))
        noisy = torch.lerp(clean, noise, times[:, None, None, None])
        return _errors(network(noisy, _TIMES * times), noise - clean)

    schedule = FlowMatchEulerDiscreteScheduler(num_train_timesteps=_TIMES)
    return Objective(f"flow matching, logit(t) ~ N({mean:g}, {std:g}²)", schedule, losses)


def flow_times(normal: Float[Tensor, " n"], *, mean: float, std: float) -> Float[Tensor, " n"]:
    """Turn standard normal numbers into logit-normal times of a training step."""
    return torch.sigmoid(mean + std * normal)


def edm(*, sigma_data: float = 0.5, mean: float = -1.2, std: float = 1.2) -> Objective:
    """Denoise, preconditioned as in EDM (Karras et al. 2022).

    Args:
        sigma_data: The standard deviation of the samples: about 0.5 in pixels, 1 in scaled latents.
        mean: The mean of the logarithm of the noise levels. A greater one trains more on what
            images show, and less on their details, which counts where images are noisy themselves.
        std: The standard deviation of that logarithm.
    """
    from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler

    def losses(network: Predictor, clean: Tensor, draws: Draws) -> Tensor:
        noise = draws.normal("noise", tuple(clean.shape[1:]))
        drawn = karras.training_levels(draws.normal("level", (1,))[:, 0], mean=mean, std=std)
        return karras.loss(network, clean, noise, drawn, sigma_data=sigma_data)

    schedule = EDMEulerScheduler(sigma_data=sigma_data)
    return Objective(f"denoising as EDM, log(sigma) ~ N({mean:g}, {std:g}²)", schedule, losses)


def _errors(found: Tensor, target: Tensor) -> Float[Tensor, " n"]:
    return (found.float() - target).square().mean((1, 2, 3))
