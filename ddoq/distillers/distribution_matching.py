"""Distribution matching: DM (WACV 2023), IDM (CVPR 2023) and M3D (AAAI 2024)."""

from typing import Any, Literal

from ddoq.distillers.beginning import WeightsOfStart
from ddoq.distillers.learned import Component, Learned


def dm(
    *,
    images_per_class: int = 10,
    steps: int = 20_000,
    lr: float = 1.0,
    batch_size: int = 256,
    start: Component = "random",
    student: Component | None = None,
    objective: Component = "feature_mean",
    viewpoint: Component = "fresh",
    augmentation: str = "color_crop_cutout_flip_scale_rotate",
    parameterization: Component = "pixels",
    sampler: Component = "uniform",
    weights: WeightsOfStart = "start",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Learned:
    """Match the mean features of each class in a new random network at every step (DM, section 3).

    All values are those of the authors' code, which has `lr` 10 from 100 images per class on. It
    draws one strategy for each class, this program for each step. `weights` that a start brings
    count in the means and stay those of the set; the paper has none.
    """
    return Learned("dm", **locals())


def idm(
    *,
    images_per_class: int = 10,
    batch_size: int | None = None,
    steps: int = 20_000,
    start: Component = "random",
    lr: float = 0.2,
    objective: Component | None = None,
    viewpoint: Component | None = None,
    student: Component | None = None,
    sampler: Component = "uniform",
    augmentation: str = "color_crop_cutout_flip_scale_rotate",
    weights: WeightsOfStart = "start",
    parameterization: Component = "tiles",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Learned:
    """Match mean features in networks of a queue that learn real images, and their answers (IDM).

    The values are those of the authors' code, where trust is in percent: our `cross_entropy` is a
    hundred times theirs. Each step looks through one network, and all classes take turns in it.
    """
    return Learned("idm", **_settled(locals()), one_class_at_a_time=True)


def m3d(
    *,
    images_per_class: int = 10,
    steps: int = 10_000,
    lr: float = 0.1,
    start: Component = "random",
    batch_size: int = 256,
    augmentation: str = "color+crop+cutout",
    objective: Component = "mmd",
    viewpoint: Component = {"name": "fresh", "every": 20},  # noqa: B006 # never changed
    student: Component | None = None,
    sampler: Component = "uniform",
    weights: WeightsOfStart = "start",
    parameterization: Component = {"name": "tiles", "clamp": True},  # noqa: B006 # as above
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Learned:
    """Match all moments of each class's features by a Gaussian kernel (M3D, equation 7).

    The authors' settings are not public. The kernel is the one that eight copies agree on; `lr`,
    `steps` and the steps with each network are ours: on digits, clamped pixels are spoilt from
    `lr` 0.3 on, whereas pixels that are not clamped take 1 to 10.
    """
    return Learned("m3d", **locals(), one_class_at_a_time=True)


def _settled(given: dict[str, Any]) -> dict[str, Any]:
    """Return IDM's settings with those that depend on the size of the set."""
    number = given["images_per_class"]
    usual: dict[str, Any] = {
        "batch_size": 5000 if number == 1 else 256,
        "objective": {"name": "feature_mean", "cross_entropy": 50.0 if number < 50 else 10.0},
        "viewpoint": {"name": "queue", "every": 5 if number == 1 else 30},
    }
    return given | {k: v for k, v in usual.items() if given[k] is None}
