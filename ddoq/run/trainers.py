"""The setup of Lightning: a Trainer that does not log, save, print or shuffle by itself."""

import logging
import warnings
from typing import TYPE_CHECKING, Any

from ddoq.processes.world import World, refused

if TYPE_CHECKING:
    from lightning import Trainer

# Settings of a Trainer that affect where it runs and what it prints, but not the result. On one
# rank the strategy is such a setting too.
WITHOUT_EFFECT = (
    "accelerator",
    "devices",
    "num_nodes",
    "strategy",
    "logger",
    "log_every_n_steps",
    "enable_progress_bar",
    "enable_model_summary",
    "profiler",
    "detect_anomaly",
    "default_root_dir",
)

# Lightning's modules whose hints are of no use here: on a GPU one of them speaks at every training.
_TALKATIVE = (
    "",
    ".utilities.rank_zero",
    ".trainer.connectors.checkpoint_connector",
    ".accelerators.cuda",
)


def new_trainer(world: World, wanted: dict[str, Any], settings: dict[str, Any]) -> "Trainer":
    """Return a Trainer for this rank, with the settings of a recipe's `trainer:` block."""
    from lightning import Trainer

    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
    }
    if world.size == 1 and world.device.type == "cpu":
        quiet["accelerator"] = "cpu"
    # A rank's part of a step is too small for separate batch statistics.
    quiet["sync_batchnorm"] = world.size > 1 and world.device.type == "cuda"
    trainer = Trainer(**{**quiet, **wanted, **world.settings, **settings})
    # Lightning's handler of SIGTERM broadcasts in the middle of another collective call, and every
    # step broadcasts whether it did. Our `stop` and `agreement` replace both.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer


def refuse_trainer(world: World, wanted: dict[str, Any]) -> None:
    """Refuse a `trainer:` block that Lightning cannot use, before the first training needs it."""
    if not wanted:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            new_trainer(world, wanted, {"max_epochs": 1})
        except Exception as error:  # Lightning raises errors of many kinds, some of them its own.
            raise refused(error) from error


def silence() -> None:
    """Silence hints of Lightning and others. Errors and warnings that matter are still shown."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        # On import Lightning sets the level of its own loggers, but not of those below them.
        for below in _TALKATIVE:
            logging.getLogger(name + below).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*isinstance.treespec, LeafSpec.*",
        ".*LeafSpec.*",
        ".*was configured so checkpointing is.*",
        # Diffusers passes the Hub's client an argument that it no longer takes.
        ".*local_dir_use_symlinks.*",
        # Of diffusers' upsampling, where a network is compiled.
        ".*functools.lru_cache.*",
    ):
        warnings.filterwarnings("ignore", message)
