"""Do all processes and runs share what was decoded?"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddoq import plan, recipe
from ddoq.data import images as module
from ddoq.data import pictures
from ddoq.distillers.random import Random
from ddoq.errors import NotMade
from ddoq.run import Run
from ddoq.run.refusals import refuse_run


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "memo"))
    noise = np.random.default_rng(0).integers(0, 256, (40, 12, 16, 3), np.uint8)
    for i, one in enumerate(noise):
        folder = tmp_path / "photos" / f"c{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(folder / f"{i:02d}.png")
    return tmp_path / "photos"


@pytest.fixture
def make_run(photos: Path, tmp_path: Path) -> Callable[..., Run]:
    def make(*overrides: str, **settings: bool) -> Run:
        named = ["recipe=imagefolder", f"data.root={photos}", "data.image_size=8"]
        return Run(
            recipe.read([*named, f"cache={tmp_path / 'cache'}", *overrides]).recipe, **settings
        )

    return make


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is decoded from now on."""
    names: list[str] = []
    true = pictures.picture

    def noted(*args, name: str, **settings):
        names.append(name)
        return true(*args, name=name, **settings)

    monkeypatch.setattr(pictures, "picture", noted)
    return names


def test_another_run_decodes_nothing_again(make_run, decoded):
    first = make_run().images
    expected = first.train.read(torch.arange(len(first.train)), 8)
    assert first.pixels("train").equal(expected)
    decoded.clear()
    again = make_run().images
    assert again.pixels("train").equal(expected)
    assert again.some("train", torch.tensor([5, 1])).equal(expected[[5, 1]])
    batch = again.class_batch(1, 3, torch.Generator().manual_seed(0))
    assert batch.equal(first.class_batch(1, 3, torch.Generator().manual_seed(0)))
    assert again.whole().images.equal(expected)
    assert decoded == []


def test_another_split_or_size_or_picture_is_decoded_by_itself(make_run, photos, decoded):
    make_run().images.pixels("train")
    for ask in (
        lambda: make_run().images.pixels("test"),
        lambda: make_run().images.pixels("train", 7),
        lambda: make_run("data.fit=squash").images.pixels("train"),
    ):
        decoded.clear()
        ask()
        assert decoded
    decoded.clear()
    Image.new("RGB", (12, 16)).save(photos / "c0" / "00.png")
    make_run().images.pixels("train")
    assert len(decoded) == len(make_run().images.train)


def test_digits_are_not_copied_to_the_disk(tmp_path: Path):
    run = Run(recipe.read(["recipe=digits", f"cache={tmp_path}"]).recipe)
    run.images.pixels("train")
    assert not (tmp_path / "pixels").exists()


def test_of_a_split_that_is_too_large_to_keep_a_drawn_set_is_decoded_once(
    make_run, decoded, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_ON_DISK_BYTES", 1000)
    first = Random(images_per_class=2).distill(make_run().images, make_run(), 0)
    assert len(decoded) == 4
    again = Random(images_per_class=2).distill(make_run().images, make_run(), 0)
    assert len(decoded) == 4
    assert again.images.equal(first.images)


def test_a_plan_decodes_nothing_and_still_counts(make_run, decoded):
    run = make_run(makes=False)
    refuse_run(run)
    (students,) = [s for s in plan.plan(run) if s.what.startswith("students")]
    assert students.needs.startswith("46 of 46 trainings")
    with pytest.raises(NotMade):
        run.images.pixels("train")
    assert decoded == []
    make_run().images.pixels("train")
    assert make_run(makes=False).images.pixels("train").shape == (28, 3, 8, 8)


_ASK = """
import sys
from ddoq import recipe
from ddoq.data import pixels
from ddoq.run import Run

pixels._PER_PART = 2
images = Run(recipe.read(sys.argv[1:]).recipe).images
read = images.train.read
object.__setattr__(images.train, "read", lambda i, size: print(*i.tolist()) or read(i, size))
images.pixels("train")
"""


@pytest.mark.slow
def test_processes_that_ask_at_a_time_share_the_work(
    make_run, photos: Path, tmp_path: Path, environment: dict[str, str]
):
    # The pictures are looked through once, before both.
    expected = make_run().images.train.labels
    words = ["recipe=imagefolder", f"data.root={photos}", "data.image_size=8"]
    command = [sys.executable, "-c", _ASK, *words, f"cache={tmp_path / 'both'}"]
    both = [subprocess.Popen(command, env=environment, stdout=-1, text=True) for _ in range(2)]
    said = [p.communicate(timeout=120)[0].split("\n")[2:] for p in both]
    assert [p.returncode for p in both] == [0, 0]
    read = [int(number) for lines in said for number in " ".join(lines).split()]
    assert sorted(read) == list(range(len(expected)))


def test_narrowed_images_are_kept_as_those_that_were_chosen(make_run):
    images = make_run().images
    first, second = (images.train.of_class(label) for label in (0, 1))
    rows = torch.stack([first[3], second[2], first[0], second[5]])
    part = images.select(rows)
    assert torch.equal(part.pixels("train"), images.pixels("train")[rows])
    assert torch.equal(part.pixels("test"), images.pixels("test"))
    assert torch.equal(
        part.select(torch.tensor([1, 0])).pixels("train"), part.pixels("train")[:2].flip(0)
    )


_RANKS = """
import sys
from ddoq import command, recipe
from ddoq.data import pixels
from ddoq.run import Run

def body(argv):
    pixels._PER_PART = 2
    run = Run(recipe.read(argv).recipe)
    images = run.images
    for split in (images.train, images.test):
        def noted(i, size, read=split.read):
            print("read", run.world.rank, len(i), flush=True)
            return read(i, size)
        object.__setattr__(split, "read", noted)
    if run.world.rank == 1:
        images.pixels("train")
    run.world.barrier()
    images.pixels("test")
    images.pixels("train")

command.run(body)
"""


@pytest.mark.slow
def test_a_rank_may_ask_alone_and_nothing_is_decoded_twice(
    make_run, photos: Path, tmp_path: Path, environment: dict[str, str], warm: str
):
    images = make_run().images
    (tmp_path / "ask.py").write_text(_RANKS)
    words = ["recipe=imagefolder", f"data.root={photos}", f"cache={tmp_path / 'ranks'}"]
    ranks = "trainer={accelerator: cpu, devices: 2, strategy: ddp}"
    done = subprocess.run(
        [warm, "ask.py", *words, ranks],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    read = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("read")]
    assert sum(int(number) for _, number in read) == len(images.train) + len(images.test)
    by_second = sum(int(number) for rank, number in read if rank == "1")
    assert by_second >= len(images.train)
