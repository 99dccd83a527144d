import sys
import time

import pytest
import torch

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.ablate.meter import metered


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be reset on Linux only")
def test_memory_is_the_peak_of_the_work_whatever_was_used_before():
    torch.ones(2**25)
    result, cost = metered(lambda: float(torch.ones(2**24).sum()))
    assert result == 2**24
    assert cost.peak_memory_mb == pytest.approx(64, abs=4)
    assert metered(lambda: None)[1].peak_memory_mb == pytest.approx(0, abs=1)


def test_seconds_are_those_of_the_work():
    assert 0.05 <= metered(lambda: time.sleep(0.05))[1].seconds < 1
