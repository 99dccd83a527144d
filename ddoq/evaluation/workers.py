"""Worker processes. Each makes the same run and does one task at a time.

Trainings are independent, and so are the sets of a distiller that learns; the cache joins them.
Tasks are done by processes of this machine. With `evaluation.spread=ranks` each rank has its own;
with `ray` they are those of a Ray cluster whose machines share the cache. On CPUs of one type the
results equal those of a single process.
"""

import dataclasses
import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.display.console import Console
from ddoq.errors import ResourceError
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.making import SetTask, make
from ddoq.evaluation.measure import measure
from ddoq.files.cache import StageRecord
from ddoq.processes import stop, world
from ddoq.processes.forks import cores, finished, follow
from ddoq.recipe.plugin import blamed

if TYPE_CHECKING:
    from ddoq.run import Run

# A training, given by its number in the grid, or a set to be learned.
Task = int | SetTask

# A process with torch and a small network in it takes about a gigabyte.
_MOST = 4
# What starting processes must save, in seconds; it takes about half of them.
STARTING = 20.0

_grid: Grid | None = None


@dataclass(frozen=True)
class Origin:
    """What a worker needs to know to make the same run."""

    recipe: dict[str, Any]
    """As plain data."""
    pretrain_ranks: int
    """The number of ranks that trained the weights of `pretrain`."""
    strategy: str
    """The strategy by which they shared the training."""


def origin_of(run: "Run") -> Origin:
    """Return what the workers of a run need."""
    plain = dataclasses.asdict(run.recipe)
    # Workers write only to the cache.
    plain["cache"], plain["out"] = str(Path(run.recipe.cache).resolve()), None
    # Each worker sees one device.
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    settings = run.recipe.trainer
    plain["trainer"] = {**settings, **{k: v for k, v in alone.items() if k in settings}}
    return Origin(plain, run.pretrain_ranks, run.strategy)


def num_workers(run: "Run") -> int:
    """Return the recipe's number of worker processes, or by default the number of idle cores.

    It is one if several ranks share the work already, on an accelerator, or if one training can
    use all cores.
    """
    asked, threads = run.recipe.evaluation.workers, run.recipe.threads
    if run.world.size > 1:
        return 1
    if asked is not None:
        return max(1, asked)
    if run.world.device.type != "cpu" or threads is None:
        return 1
    return max(1, min(_MOST, cores() // threads))


def num_worth(run: "Run", seconds: float) -> int:
    """Return the number of processes for tasks that take so long one after another.

    Few enough to do here are not spread, unless the recipe gives a number of processes.
    """
    workers = num_workers(run)
    asks = run.recipe.evaluation.workers is not None
    return workers if asks or seconds - seconds / workers >= STARTING else 1


def gpus_of(run: "Run") -> list[str]:
    """Return the GPUs to deal out, one per worker, as CUDA_VISIBLE_DEVICES names them."""
    if run.world.device.type != "cuda":
        return []
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def side_by_side(run: "Run", tasks: Sequence[Task], workers: int) -> Generator[list[StageRecord]]:
    """Do tasks in other processes or on a Ray cluster, and yield the costs of each."""
    origin, gpus = origin_of(run), gpus_of(run)
    if run.recipe.evaluation.spread == "ray":
        return _over_ray(origin, tasks, uses_gpus=bool(gpus))
    return over_processes(origin, tasks, workers, gpus)


def over_processes(
    origin: Origin, tasks: Sequence[Task], workers: int, devices: Sequence[str]
) -> Generator[list[StageRecord]]:
    """Do tasks in processes of this machine, each with a device, and yield the costs of each."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(workers):
        places.put(devices[number % len(devices)] if devices else None)
    pool = ProcessPoolExecutor(workers, context, _begin, (origin, os.getpid(), places))
    yield from finished(
        pool,
        lambda: [pool.submit(_do, task) for task in tasks],
        remedy="run it again with fewer processes (evaluation.workers); what is finished is kept",
    )


def _over_ray(
    origin: Origin, tasks: Sequence[Task], *, uses_gpus: bool
) -> Generator[list[StageRecord]]:
    """Do tasks on the Ray cluster of RAY_ADDRESS, or on one started on this machine."""
    try:
        import ray
    except ImportError as error:
        raise ResourceError("Ray is not installed", "pip install 'ddoq[ray]'") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    try:
        needs = {"num_cpus": origin.recipe["threads"] or 1, "num_gpus": int(uses_gpus)}
        do = ray.remote(_do_remotely).options(**needs)
        left = [do.remote(origin, task) for task in tasks]
        while left:
            [done], left = ray.wait(left, num_returns=1)
            yield ray.get(done)
    finally:
        ray.shutdown()


def _do_remotely(origin: Origin, task: Task) -> list[StageRecord]:
    """Do a task in a process that Ray reuses for the next task."""
    if _grid is None:
        _make_grid(origin)
    return _do(task)


def _begin(origin: Origin, parent: int, places: Any) -> None:
    """Make the worker's own run of the same recipe. The worker ends if its parent is gone."""
    # The parent also receives an interrupt, and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop.install(raises=False)
    follow(parent)
    world.forget()
    device = places.get()
    if device is not None:
        # CUDA reads this when it is first used, which is later.
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    # What is odd about a given set was said by the process that began the workers.
    warnings.filterwarnings("ignore", module=r"ddoq\.(formats|distillers\.given)")
    _make_grid(origin)


def _make_grid(origin: Origin) -> None:
    from ddoq.recipe import from_plain
    from ddoq.run import Run

    global _grid
    run = Run(
        from_plain(origin.recipe),
        Console(is_silent=True),
        pretrain_ranks=origin.pretrain_ranks,
        strategy=origin.strategy,
    )
    _grid = Grid.of(run)


def _do(task: Task) -> list[StageRecord]:
    """Do one task and return its costs. Its result lies in the cache."""
    assert _grid is not None
    run = _grid.run
    run.records.clear()
    try:
        with blamed():
            if isinstance(task, int):
                measure(run, _grid[task])
            else:
                make(run, task)
    except stop.Stopped as stopped:
        # The training's state is saved. Another task must not begin.
        os._exit(128 + stopped.number)
    told = ("labels", "training")
    return [r for r in run.records if r.stage in told or not isinstance(task, int)]
