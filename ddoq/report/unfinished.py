"""What a run leaves that does not come to its end: the results of its finished trainings."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from ddoq.evaluation.grid import Grid
from ddoq.evaluation.so_far import results_so_far
from ddoq.report.files import write_results

UNFINISHED = "unfinished.csv"


@contextlib.contextmanager
def leaving_results(grid: Grid, folder: Path) -> Generator[None]:
    """Leave the results so far in `unfinished.csv` if what is within is stopped or fails.

    They lie in the cache too, but that may be gone with the machine. Ranks leave none: they would
    have to read the sets together, and some of them may be gone.
    """
    run = grid.run
    try:
        yield
    except BaseException:
        # What ended the run is what is told.
        with contextlib.suppress(Exception):
            if run.world.size == 1 and (found := results_so_far(grid)):
                write_results(folder, found, UNFINISHED)
                run.console.say(f"{len(found)} results so far: {folder / UNFINISHED}")
        raise
    if run.world.is_first:
        (folder / UNFINISHED).unlink(missing_ok=True)
