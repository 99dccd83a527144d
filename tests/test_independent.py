"""Does someone else's program come to the same accuracy on an exported set?"""

import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
from scipy.stats import ttest_ind

import ddoq
from ddoq import recipe
from ddoq.files.tensors import write_tensors
from ddoq.run import Run

SEEDS = 6


@pytest.mark.slow
def test_an_independent_script_finds_the_same_accuracy(
    environment: dict[str, str], tmp_path: Path
) -> None:
    synthetic = ddoq.distill(
        "digits", "decoder=plain", "distiller.images_per_class=10", "distiller.folds=0"
    )
    synthetic.save(tmp_path / "set")
    images = Run(recipe.read(["recipe=digits"]).recipe).images
    test = {"images": images.pixels("test"), "labels": images.test.labels}
    write_tensors(tmp_path / "test.safetensors", test)
    script = Path(__file__).with_name("independent") / "train.py"
    files = [tmp_path / "set" / "set.safetensors", tmp_path / "test.safetensors"]
    about = [str(images.mean[0]), str(images.std[0]), str(SEEDS)]
    printed = subprocess.run(
        [sys.executable, script, *files, *about],
        env={**environment, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    ).stdout
    theirs = [float(line) for line in printed.split()]
    student = {"name": "convnet", "depth": 2, "width": 32}
    how = {"protocol": "small_hard", "seeds": SEEDS, "baselines": []}
    results = ddoq.evaluate(synthetic, students=[student], **how)
    ours = [r.top1 for r in results]
    span = ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    # The interval of the difference holds 0, or lies within half a point of it.
    assert span.low < 0.005, (ours, theirs)
    assert span.high > -0.005, (ours, theirs)
    assert fmean(ours) > 0.9
