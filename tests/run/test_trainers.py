"""The setup of Lightning: what it does not say."""

import subprocess
import sys

import pytest

SAYS = """
import logging
from ddoq.run.trainers import silence
silence()
from lightning.pytorch.accelerators.cuda import CUDAAccelerator
CUDAAccelerator.set_nvidia_flags(0)
logging.getLogger("lightning.pytorch").error("an error")
"""


@pytest.mark.slow
def test_a_gpu_is_not_announced_at_every_training():
    done = subprocess.run(
        [sys.executable, "-c", SAYS], capture_output=True, text=True, check=True, timeout=120
    )
    assert "LOCAL_RANK" not in done.stdout + done.stderr
    assert "an error" in done.stdout + done.stderr
