"""Checks of weights that a user gave, before any work. None of them is loaded for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.autoencoders.converted import pickle_alone
from ddoq.autoencoders.weights import refuse_no_times
from ddoq.errors import ResourceError
from ddoq.files.artifacts import read_json
from ddoq.files.given import intact
from ddoq.files.pickles import read_pickle
from ddoq.priors.raw import innermost
from ddoq.priors.schedulers import usable_name
from ddoq.recipe import shipped
from ddoq.recipe.component import Block, is_code
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.run.fitting import refuse_misfit
from ddoq.run.sources import SCHEDULE_FILE, files_lacking

if TYPE_CHECKING:
    from ddoq.run import Run

# What the schedulers of trained priors say, by objective. To make one takes a second.
_LEARNED: dict[str, dict[str, Any]] = {
    "noise": {"_class_name": "DDIMScheduler"},
    "velocity": {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
    "clean": {"_class_name": "DDIMScheduler", "prediction_type": "sample"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler"},
    "edm": {"_class_name": "EDMEulerScheduler"},
}
# The kinds of weights in diffusers' layout.
_KINDS = ("autoencoder", "prior")


def refuse_published(run: "Run") -> None:
    """Refuse weights that lack files, hold code, or do not fit the data or the decoders."""
    drawn = list(_drawing(run))
    if drawn and run.recipe.prior.get("source") == "pretrain":
        _refuse_schedulers(known_schedule(run), drawn)
    for kind in _KINDS:
        block = getattr(run.recipe, kind)
        is_given = block.get("source") not in (None, "pretrain") and not is_code(block["name"])
        if is_given and (kind == "autoencoder" or drawn):
            _refuse_files(kind, block)
            if kind == "prior":
                _refuse_use(run, block, drawn)


def known_schedule(run: "Run") -> dict[str, Any] | None:
    """Return the configuration of the scheduler of the run's prior, as far as it is known."""
    block = run.recipe.prior
    if block.get("source") == "pretrain":
        return _learned_schedule(run)
    is_given = block.get("source") is not None and not is_code(block["name"])
    return _schedule(block) if is_given else None


def _drawing(run: "Run") -> Iterator[Block]:
    """Return the decoders and distillers that draw from the prior."""
    settings = run.recipe.evaluation
    for block in run.recipe.decoders:
        if "prior" in run.reads("decoder", block):
            yield innermost(block)
    rows = (run.recipe.distiller, *settings.distillers, *settings.baselines)
    yield from (block for block in rows if block["name"] == "prior")


def _refuse_files(kind: str, block: Block) -> None:
    """Refuse a folder that is not what the component reads, and pickles that hold code."""
    place = shipped.locate(block["source"])
    if place.is_file():
        if place.suffix != ".safetensors":
            read_pickle(place)
    elif place.is_dir():
        lacking = files_lacking(kind, block)
        if lacking:
            found = sorted(f.name for f in place.iterdir())[:8]
            raise ResourceError(
                f"{block['source']} is not what {kind} {block['name']} reads: there is no "
                f"{', no '.join(lacking)}",
                f"give the folder of a diffusers pipeline; here is {', '.join(found) or 'nothing'}",
            )
        for folder in (place, *(f for f in place.iterdir() if f.is_dir())):
            if pickle := pickle_alone(folder):
                read_pickle(pickle)


def _refuse_use(run: "Run", block: Block, drawn: list[Block]) -> None:
    """Refuse a prior that does not fit the recipe, and schedulers that it cannot use."""
    refuse_misfit(run, block, drawn)
    _refuse_schedulers(known_schedule(run), drawn)


def _refuse_schedulers(config: dict[str, Any] | None, drawn: list[Block]) -> None:
    if config is not None:
        for one in drawn:
            usable_name(config, one.get("scheduler"))


def _learned_schedule(run: "Run") -> dict[str, Any] | None:
    """Return what will be saved beside a trained prior of its scheduler, as far as is known."""
    net = run.recipe.pretrain["prior"]["net"]
    objective = complete(KINDS, "net", net)["objective"] if net else {"name": "unknown"}
    return _LEARNED.get(objective["name"])


def _schedule(block: Block) -> dict[str, Any] | None:
    """Return the configuration of a prior's scheduler if it is on this machine."""
    place = shipped.locate(block["source"])
    if place.is_file():
        from ddoq.priors import dit, sit

        return sit.SCHEDULE if block["name"] == "sit" else dit.ORIGINAL_SCHEDULE
    file: Path = place / SCHEDULE_FILE
    if not file.is_file():
        return None
    with intact(file):
        found = dict(read_json(file))
        refuse_no_times(found)
        return found
