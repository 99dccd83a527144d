"""Sets that take long are made by one process each, also where several ranks run."""

import subprocess
import sys
from pathlib import Path

import pytest

LEARNED = '''
import os
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.files.stage import Planned, Stage


class Slow:
    """The first image of each class, as if it had taken hours to learn."""

    learns = True

    def stages(self, run, seed):
        return [Planned(Stage("slow"), {"images": run.images.fingerprint, "seed": seed})]

    def distill(self, images, run, seed):
        [slow] = self.stages(run, seed)

        def work(folder):
            alone = run.world.size == 1 and "WORLD_SIZE" not in os.environ
            print("learned", seed, "by", os.getppid(), alone, rank_zero_only.rank, flush=True)
            rows = torch.stack([images.train.of_class(c)[seed] for c in range(10)])
            write_tensors(folder / "rows.safetensors", {"rows": rows})

        rows = read_tensors(run.stage(slow.stage, slow.key, work) / "rows.safetensors")["rows"]
        return images.subset(rows)
'''


@pytest.mark.slow
def test_two_ranks_make_sets_in_processes_that_know_of_no_rank(tmp_path: Path, environment):
    (tmp_path / "slow.py").write_text(LEARNED)
    words = ["distiller=slow:Slow", "student={name: convnet, depth: 1, width: 4}"]
    words += ["protocol={name: small_hard, steps: 2}", "evaluation.baselines=[]"]
    words += ["evaluation.seeds=2", "trainer={accelerator: cpu, devices: 2, strategy: ddp}"]
    command = [sys.executable, "-m", "ddoq.fit", "recipe=digits", *words, "cache=c", "out=o"]
    pipes = {"capture_output": True, "text": True, "timeout": 200, "check": False}
    done = subprocess.run(command, cwd=tmp_path, env=environment, **pipes)
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines() if line.startswith("learned")]
    assert sorted(words[1] for words in told) == ["0", "1"]
    # Each by a process of another rank, alone in its world.
    assert len({words[3] for words in told}) == 2
    assert all(words[4:] == ["True", "0"] for words in told)
