"""Gradient matching: DC (Zhao, Mopuri and Bilen, ICLR 2021) and DSA (Zhao and Bilen, ICML 2021)."""

from typing import Any, Literal

from ddoq.distillers.beginning import WeightsOfStart
from ddoq.distillers.learned import Component, Learned

# Steps with each network, and epochs of its training between two of them, by images per class.
_PUBLISHED = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


def dc(
    *,
    networks: int = 1000,
    images_per_class: int = 10,
    lr: float = 0.1,
    batch_size: int = 256,
    start: Component = "noise",
    weights: WeightsOfStart = "start",
    objective: Component = "gradient",
    viewpoint: Component | None = None,
    parameterization: Component = "pixels",
    student: Component | None = None,
    sampler: Component = "uniform",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Learned:
    """Match the gradients of networks that learn from the set between the steps (DC, algorithm 1).

    All values are those of the authors' code, from noise and without augmentation. It knows 1, 10,
    20, 30, 40 and 50 images per class; steps and epochs of other sizes are ours. Networks with
    batch norm are refused, where the code freezes their statistics.
    """
    return Learned("dc", **_settled(locals()), augmentation="")


def dsa(
    *,
    images_per_class: int = 10,
    networks: int = 1000,
    batch_size: int = 256,
    lr: float = 0.1,
    augmentation: str = "color_crop_cutout_flip_scale_rotate",
    objective: Component = "gradient",
    start: Component = "random",
    sampler: Component = "uniform",
    viewpoint: Component | None = None,
    student: Component | None = None,
    parameterization: Component = "pixels",
    weights: WeightsOfStart = "start",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Learned:
    """Match gradients as `dc` does, of both sides augmented alike, from real images.

    The code draws one of the strategies for each class, this program for each step; the numbers
    are drawn for each class in both.
    """
    return Learned("dsa", **_settled(locals()))


def _settled(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the viewpoint and the steps that a set of this size has."""
    number = given["images_per_class"]
    outer, inner = _PUBLISHED.get(number, (number, max(1, 500 // number)))
    rest = {k: v for k, v in given.items() if k != "networks"}
    usual = {"name": "inner", "outer": outer, "inner": inner}
    viewpoint = given["viewpoint"] or usual
    own = viewpoint.get("outer", 1) if isinstance(viewpoint, dict) else 1
    return {**rest, "steps": own * given["networks"], "viewpoint": viewpoint}
