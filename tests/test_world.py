"""Do ranks agree, and is a second world refused?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddoq.world import World, launch

ROOT = Path(__file__).parents[1]

TWO_FITS = """
from ddoq.errors import UsageError
from ddoq.world import launch

two = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
world = launch(two)
assert world.gather(world.rank) == [0, 1]
assert world.broadcast(f"from {world.rank}") == "from 0"
assert world.share("abcde") == [list("ace"), list("bd")][world.rank]
assert launch(two) is world
try:
    launch({"accelerator": "cpu", "devices": 1})
except UsageError as error:
    print(f"rank {world.rank} refused: {error.cause[:30]}")
"""


@pytest.mark.slow
def test_two_fits_that_ask_for_different_worlds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "two_fits.py").write_text(TWO_FITS)
    done = subprocess.run(
        [sys.executable, "two_fits.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rank 0 refused: this program runs as" in done.stdout
    assert "rank 1 refused: this program runs as" in done.stdout


def test_one_process_is_a_world_of_its_own() -> None:
    world = launch({})
    assert (world.rank, world.size, world.is_first) == (0, 1, True)
    assert World().gather("x") == ["x"]
    assert World().share([3, 4]) == [3, 4]
