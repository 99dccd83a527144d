"""The weights that a run trains itself: how, under which key, and where they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.files.stage import PRETRAIN
from ddoq.recipe.component import Block, Kind, build
from ddoq.recipe.kinds import KINDS, PRETRAINERS

if TYPE_CHECKING:
    from ddoq.run import Run


def pretrainer(part: str, settings: Block) -> Any:
    """Return what trains a part: a component with `train` and `seconds`."""
    kinds = {**KINDS, "pretrain": Kind(PRETRAINERS)}
    return build(kinds, "pretrain", {"name": part, **settings})


def pretrain_key(run: "Run", part: str) -> dict[str, Any]:
    """Return what determines the weights of a part."""
    settings: dict[str, Any] = settings_of(run, part)
    if settings.get("net"):
        settings = settings | {"net": run.key("net", settings["net"])}
    key: dict[str, Any] = {
        "images": run.whole.images.fingerprint,
        "seed": run.recipe.seed,
        "settings": settings,
        "name": getattr(run.recipe, part)["name"],
        "training": run.training_key(run.pretrain_ranks),
    }
    if part == "prior" and settings["space"] == "latents":
        key["autoencoder"] = run.key("autoencoder")
    if part == "autoencoder" and settings["perceptual"] > 0:
        key["teacher"] = run.key("teacher")
    return key


def settings_of(run: "Run", part: str) -> Block:
    """Return how a part is trained. Minutes are converted to steps, in the recipe too."""
    settings: Block = run.recipe.pretrain[part]
    if settings.get("minutes") is None:
        return settings
    from ddoq.priors.pretrain import PriorPretraining
    from ddoq.priors.throughput import is_measured, steps_within

    how = PriorPretraining(**settings)
    if run.makes or is_measured(run.whole, how):
        settings = {**settings, "minutes": None, "steps": steps_within(run.whole, how)}
        run.recipe.pretrain[part] = settings
    return settings


def pretrained(run: "Run", part: str) -> Path:
    """Return the folder of a part's trained weights, training them first if need be."""
    from ddoq.data.seen import remember

    def work(folder: Path) -> None:
        how = pretrainer(part, settings_of(run, part))
        with run.console.stage(f"pretrain {part}"):
            how.train(run.whole, folder)
        if run.world.is_first:
            remember(folder, run.whole.images)

    return run.stage(PRETRAIN.part(part), pretrain_key(run, part), work)
