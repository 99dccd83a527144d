"""Diffusers' schedulers by short names: one table for each kind of noise schedule."""

import importlib
from collections.abc import Mapping
from typing import Any, Literal

from ddoq.errors import DataError, UsageError

Family = Literal["diffusion", "flow", "edm"]

_MULTISTEP = "scheduling_dpmsolver_multistep:DPMSolverMultistepScheduler"
_UNIPC = "scheduling_unipc_multistep:UniPCMultistepScheduler"

# Names, and the modules and classes behind them, in `diffusers.schedulers`.
SCHEDULERS: dict[Family, dict[str, str]] = {
    "diffusion": {
        "ddpm": "scheduling_ddpm:DDPMScheduler",
        "ddim": "scheduling_ddim:DDIMScheduler",
        "pndm": "scheduling_pndm:PNDMScheduler",
        "dpm": _MULTISTEP,
        "unipc": _UNIPC,
        "heun": "scheduling_heun_discrete:HeunDiscreteScheduler",
        "euler": "scheduling_euler_discrete:EulerDiscreteScheduler",
    },
    "flow": {
        "euler": "scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler",
        "heun": "scheduling_flow_match_heun_discrete:FlowMatchHeunDiscreteScheduler",
        "dpm": _MULTISTEP,
        "unipc": _UNIPC,
    },
    "edm": {
        "euler": "scheduling_edm_euler:EDMEulerScheduler",
        "dpm": "scheduling_edm_dpmsolver_multistep:EDMDPMSolverMultistepScheduler",
        "heun": "ddoq.priors.edm_heun:EDMHeun",
    },
}

_OF_PURE_NOISE = ("ddpm", "ddim", "dpm", "unipc")

# Schedulers whose noisy samples are the clean ones plus noise, and not shrunk.
UNSHRUNK = ("HeunDiscreteScheduler", "EulerDiscreteScheduler")


def family_of(config: Mapping[str, Any]) -> Family:
    """Return the kind of noise schedule that a scheduler's configuration describes."""
    name = str(config.get("_class_name"))
    if name.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction":
        return "flow"
    return "edm" if name.startswith("EDM") else "diffusion"


def make_scheduler(config: Mapping[str, Any], name: str | None) -> Any:
    """Return a new scheduler: that of a name, or that of the configuration."""
    family, name = family_of(config), usable_name(config, name)
    module, _, attribute = SCHEDULERS[family][name].partition(":")
    place = module if "." in module else f"diffusers.schedulers.{module}"
    made: Any = getattr(importlib.import_module(place), attribute)
    # Otherwise the other class's defaults would replace those of the class that wrote them.
    written = {k: v for k, v in config.items() if k != "_use_default_values"}
    return made.from_config({**written, **_stated(config, family, name)})


def usable_name(config: Mapping[str, Any], name: str | None) -> str:
    """Return a scheduler's name, or that of the configuration's own; refuse an unusable one."""
    family, predicts = family_of(config), config.get("prediction_type", "epsilon")
    name = _own_name(config, family) if name is None else name
    _refuse_config(config, family)
    offered = [n for n in SCHEDULERS[family] if (n, predicts) != ("pndm", "sample")]
    if config.get("rescale_betas_zero_snr"):
        # The others do not know levels of pure noise.
        offered = [n for n in offered if n in _OF_PURE_NOISE]
    if name not in offered:
        of = f"{family} ({predicts})" if family == "diffusion" else family
        raise UsageError(
            f"decoder.scheduler={name} cannot use the prior's schedule, which is of kind {of}",
            f"use one of {', '.join(offered)}, or null for the prior's own",
        )
    return name


def draws(config: Mapping[str, Any], name: str | None) -> bool:
    """Say whether a scheduler draws at every step: that of a name, or the configuration's own."""
    name = usable_name(config, name)
    is_stochastic = str(config.get("algorithm_type")).startswith("sde")
    return name == "ddpm" or (name == "dpm" and is_stochastic)


def _refuse_config(config: Mapping[str, Any], family: Family) -> None:
    """Refuse settings of a schedule under which an image would be no function of its noise."""
    wanted: dict[str, Any] = {}
    if family == "edm":
        wanted = {"prediction_type": "epsilon", "sigma_schedule": "karras"}
    elif family == "flow":
        unwanted = ("use_dynamic_shifting", "stochastic_sampling", "invert_sigmas")
        wanted = dict.fromkeys(unwanted, False)
    for name, value in wanted.items():
        if config.get(name, value) != value:
            raise DataError(
                f"the prior's scheduler says {name}={config[name]}, which is not offered",
                f"a schedule of kind {family} needs {name}={value}",
            )


def _own_name(config: Mapping[str, Any], family: Family) -> str:
    """Return the name of a configuration's own scheduler."""
    own = config.get("_class_name")
    for name, place in SCHEDULERS[family].items():
        if place.endswith(f":{own}"):
            return name
    raise DataError(
        f"the prior's scheduler is {own}, which is not offered",
        f"choose one: decoder.scheduler={' or '.join(SCHEDULERS[family])}",
    )


def _stated(config: Mapping[str, Any], family: Family, name: str) -> dict[str, Any]:
    """Return settings that a scheduler would take from its defaults, where these are wrong here."""
    if family == "flow" and name in ("dpm", "unipc"):
        shift = config.get("shift", config.get("flow_shift", 1.0))
        # These take the sigmas of one kind alone.
        others = [f"use_{kind}_sigmas" for kind in ("karras", "exponential", "beta")]
        return {
            "use_flow_sigmas": True,
            "prediction_type": "flow_prediction",
            "flow_shift": shift,
            **dict.fromkeys(others, False),
        }
    stated: dict[str, Any] = {}
    if name in ("ddim", "ddpm") and "clip_sample" not in config:
        # They would clip latents to [-1, 1].
        stated["clip_sample"] = False
    if name == "pndm" and "skip_prk_steps" not in config:
        # Its Runge-Kutta steps come first, and denoising could not begin after them.
        stated["skip_prk_steps"] = True
    if str(config.get("variance_type", "")).startswith("learned"):
        # The network's variance is left out, as in diffusers' DiTPipeline.
        stated["variance_type"] = "fixed_small"
    return stated
