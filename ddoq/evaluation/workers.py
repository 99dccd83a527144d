"""How are a table's trainings spread over processes? They are independent: the cache joins them."""

import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from ddoq.artifacts import StageRecord
from ddoq.console import Console
from ddoq.errors import ResourceError
from ddoq.evaluation.cell import Cell, cell_key, measure
from ddoq.evaluation.grid import draw, entries
from ddoq.recipe import Recipe

if TYPE_CHECKING:
    from ddoq.run import Run

# A process with torch and a small network in it takes about a gigabyte.
_MOST = 4

# (protocol, row, seed, student), each as a number in the recipe's lists.
Job = tuple[int, int, int, int]

_run: "Run | None" = None


def num_workers(run: "Run") -> int:
    """Return the recipe's number of worker processes, or as many as there are idle cores.

    One where several ranks share the work already, on an accelerator, or where a training may use
    all cores.
    """
    asked, threads = run.recipe.evaluation.workers, run.recipe.threads
    if run.world.size > 1 or run.world.device.type != "cpu":
        return 1
    if asked is not None:
        return max(1, asked)
    return 1 if threads is None else max(1, min(_MOST, (os.cpu_count() or 1) // threads))


def jobs(run: "Run") -> list[Job]:
    """Draw every set and return the trainings that are not in the cache yet, each once."""
    rows = entries(run.recipe)
    todo: dict[str, Job] = {}
    for number, block in enumerate(run.recipe.protocols):
        protocol = run.make("protocol", block)
        for index, entry in enumerate(rows):
            for seed in range(entry.num_seeds):
                synthetic = draw(run, entry, seed)
                for student in range(entry.num_students):
                    chosen = run.recipe.students[student]
                    cell = Cell(synthetic, chosen, protocol, run.recipe.seed + seed)
                    key = cell_key(run, cell)
                    if not run.is_done("cell", key):
                        job = (number, index, seed, student)
                        todo.setdefault(run.place("cell", key).name, job)
    return list(todo.values())


def train_in_parallel(run: "Run") -> None:
    """Train what a table lacks in several processes; they leave their results in the cache."""
    workers = num_workers(run)
    waiting = jobs(run) if workers > 1 else []
    if len(waiting) < 2 * workers:
        # Starting processes would take longer than they save.
        return
    if any(run.make("protocol", p).labels == "soft" for p in run.recipe.protocols):
        # Trained here, where its progress is seen, if it must be trained.
        _ = run.teacher
    context = multiprocessing.get_context("spawn")
    plain = dataclasses.asdict(run.recipe)
    pool = ProcessPoolExecutor(workers, context, _begin, (plain, os.getpid()))
    try:
        with run.console.stage(f"train in {workers} processes", len(waiting)) as bar:
            for done in as_completed([pool.submit(_train, job) for job in waiting]):
                for record in done.result():
                    run.remember(record)
                bar.advance()
    except BrokenProcessPool as error:
        raise ResourceError(
            "a worker process died, perhaps for want of memory",
            "run it again with evaluation.workers=1; what is finished is kept",
        ) from error
    finally:
        # On an error or an interrupt the queue is dropped and the workers are ended: by SIGKILL, as
        # Lightning catches SIGTERM and goes on with the next job. The cache bears it.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()


def _begin(plain: dict[str, object], parent: int) -> None:
    """Make the worker's own run of the same recipe, and end it when the parent is gone."""
    from ddoq.recipe import from_plain
    from ddoq.run import Run

    global _run
    # An interrupt reaches the parent, which takes the workers down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    recipe: Recipe = from_plain(plain)
    _run = Run(recipe, Console(is_silent=True))


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(143)


def _train(job: Job) -> list[StageRecord]:
    """Train one cell and return what it cost."""
    assert _run is not None
    run = _run
    protocol, row, seed, student = job
    recipe = run.recipe
    run.records.clear()
    cell = Cell(
        draw(run, entries(recipe)[row], seed),
        recipe.students[student],
        run.make("protocol", recipe.protocols[protocol]),
        recipe.seed + seed,
    )
    measure(run, cell)
    return [r for r in run.records if r.stage == "cell"]
