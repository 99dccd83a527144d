"""What a run has come to before its end: the trainings that are finished."""

from ddoq.errors import NotMade
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.results import Results
from ddoq.files.artifacts import is_finished


def is_trained(grid: Grid, job: int) -> bool:
    """Say whether a training is finished. It is not if its set or its images are not there."""
    if not grid.is_at_hand(grid.draw_of(job)):
        return False
    try:
        return is_finished(grid.place(job))
    except NotMade:
        return False


def is_whole(grid: Grid) -> bool:
    """Say whether every training of a run is cached."""
    return all(is_trained(grid, job) for job in range(len(grid)))


def results_so_far(grid: Grid) -> Results:
    """Return what the finished trainings came to, and train nothing."""
    found = {job: grid.result(job) for job in grid if is_trained(grid, job)}
    return Results(found[job] for job in sorted(found))
