"""The world: the ranks of a run, and how they agree."""

import atexit
import contextlib
import datetime
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ddoq.errors import DdoqError, ResourceError, UsageError
from ddoq.processes import ranks

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

# Variables by which launchers tell a process its rank: names, and beginnings of names.
_OF_A_RANK = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "LOCAL_", "GROUP_", "ROLE_", "NODE_")
    for name in ("RANK", "WORLD_SIZE")
) | {"ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"}
_OF_A_LAUNCHER = ("TORCHELASTIC_", "SLURM_")

# The seconds between checks for the other ranks: short at first, then longer.
_FIRST_LOOK, _LAST_LOOK = 0.0005, 0.25
# Rank 0 holds the store that the others read. At the end it waits this long for them.
_LEAVING_SECONDS = 60.0


class World:
    """The processes of one run; a single one by default.

    All ranks are launched once, at the program's start. What only one of them should decide,
    rank 0 decides and tells the others. A rank that waits for another checks from time to time, for
    hours if needed, whether it has come. A collective call would time out after 30 minutes.
    """

    def __init__(self, fabric: Any = None, settings: Mapping[str, Any] | None = None) -> None:
        self._fabric = fabric
        self.settings = dict(settings or {})
        """The settings that a Trainer needs to run in this world."""
        self.rank: int = fabric.global_rank if fabric else 0
        self.size: int = fabric.world_size if fabric else 1
        self._device: torch.device | None = fabric.device if fabric else None
        self._store: Any = _meeting_place(fabric) if self.size > 1 else None
        self._meetings = 0
        self.on_host = _host_group(fabric) if self.size > 1 else None
        """The ranks' connections for tensors on the host; None for the default ones."""

    @property
    def device(self) -> "torch.device":
        """The device of this rank."""
        import torch

        return self._device or torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which decides, writes and prints."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self._store is None:
            return
        self._meetings += 1
        self._meet(f"meeting {self._meetings}")
        if self.is_first:
            # All ranks have left the previous meeting.
            self._store.delete_key(f"meeting {self._meetings - 1}")

    def _meet(self, where: str, most: float = float("inf")) -> None:
        seconds, until = _FIRST_LOOK, time.monotonic() + most
        arrived = self._store.add(where, 1)
        while arrived < self.size and time.monotonic() < until:
            time.sleep(seconds)
            seconds = min(2 * seconds, _LAST_LOOK)
            arrived = self._store.add(where, 0)

    def leave(self) -> None:
        """Say that this rank needs nothing more of the others. Rank 0 leaves last."""
        if self._store is not None:
            self._meet("left", _LEAVING_SECONDS if self.is_first else 0.0)

    def broadcast(self, value: T) -> T:
        """Return rank 0's value on every rank."""
        if self.size == 1:
            return value
        self.barrier()
        return self._fabric.broadcast(value)

    def gather(self, value: T) -> list[T]:
        """Return every rank's value, in rank order, on every rank."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        self.barrier()
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def alone(self) -> "World":
        """Return a world of this rank alone, on its device."""
        world = World()
        world._device = self._device
        return world

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this rank's part of independent jobs."""
        return list(items[self.rank :: self.size])


_world: World | None = None
_settings: dict[str, Any] = {}


def launch(trainer: Mapping[str, Any]) -> World:
    """Start the processes that a `trainer:` block asks for. A program can do this once."""
    global _world, _settings
    keys = ("accelerator", "devices", "num_nodes", "strategy")
    settings = {**_torchrun(), **{k: trainer[k] for k in keys if k in trainer}}
    if _world is None:
        _world, _settings = _launch(settings), settings
    elif _world.size > 1 and settings != _settings:
        raise UsageError(
            f"this program runs as {_settings}; a second world, {settings}, cannot be made",
            "use the same devices, strategy and num_nodes, or another process",
        )
    elif _world.size == 1 and _wants_many(settings):
        _world, _settings = _launch(settings), settings
    return _world


def _torchrun() -> dict[str, Any]:
    """Return the settings that torchrun has decided, if it started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return {}
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    num_nodes = int(os.environ["WORLD_SIZE"]) // local
    return {"devices": local, "num_nodes": num_nodes, "strategy": "ddp"}


def _wants_many(settings: Mapping[str, Any]) -> bool:
    import torch

    devices = settings.get("devices", "auto")
    single = (1, "1", "auto", [0]) if settings.get("accelerator") == "cpu" else (1, "1", [0])
    return (
        int(os.environ.get("WORLD_SIZE", "1")) > 1
        or settings.get("num_nodes", 1) > 1
        or (devices not in single and (devices != "auto" or torch.cuda.device_count() > 1))
    )


def _launch(settings: dict[str, Any]) -> World:
    import torch

    if not _wants_many(settings) and not torch.cuda.is_available():
        return World()
    from lightning.fabric import Fabric

    ranks.follow_launcher()
    try:
        fabric = Fabric(**settings)
    except Exception as error:  # Lightning raises errors of many kinds, its own among them.
        raise refused(error) from error
    ranks.watch(fabric)
    try:
        fabric.launch()
    except TypeError as error:  # A strategy whose processes start in a function, such as ddp_spawn.
        raise refused(error) from error
    if fabric.world_size == 1:
        return World(fabric)
    world = World(fabric, settings)
    atexit.register(_leave, world)
    return world


def _meeting_place(fabric: Any) -> Any:
    """Return a store of small values that all ranks read and write, on rank 0's machine."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined] # it is documented there

    host, timeout = os.environ["MASTER_ADDR"], datetime.timedelta(minutes=5)
    first = fabric.global_rank == 0
    own = (
        TCPStore(host, 0, is_master=True, timeout=timeout, wait_for_workers=False)
        if first
        else None
    )
    port = fabric.broadcast(own.port if own else 0)
    return own or TCPStore(host, port, is_master=False, timeout=timeout)


def _host_group(fabric: Any) -> Any:
    import torch.distributed as dist

    return dist.new_group(backend="gloo") if fabric.device.type != "cpu" else None


def refused(error: Exception) -> DdoqError:
    """Return Lightning's error about a `trainer:` block: a wrong setting, or a missing device."""
    cause = "trainer: " + str(error).partition("\n")[0]
    if re.search("not available|no supported|only has|found no", cause, re.IGNORECASE):
        remedy = "leave out trainer.accelerator and devices, or run where there is such a device"
        return ResourceError(cause, remedy)
    return UsageError(cause, "see Lightning's Trainer for what fits")


def _leave(world: World) -> None:
    """Close the connections of the ranks. Threads of gloo that still wait would abort the exit."""
    import torch.distributed as dist

    with contextlib.suppress(Exception):
        world.leave()
    if dist.is_initialized():
        dist.destroy_process_group()


def forget() -> None:
    """Remove this new process from its parent's world."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    for name in [*os.environ]:
        if name in _OF_A_RANK or name.startswith(_OF_A_LAUNCHER):
            del os.environ[name]
    # Lightning has already read it.
    rank_zero_only.__dict__["rank"] = 0
