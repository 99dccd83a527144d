"""May the data be something else than images?"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq import fit, recipe
from ddoq.data.images import Images
from ddoq.errors import DdoqError, UsageError
from ddoq.report.files import read_results
from ddoq.run import Run
from ddoq.run.refusals import refuse_resizing, refuse_run

OWN = '''
import torch
from ddoq.data.source import Split

NODES = 6


class Graphs:
    """Rings and stars of a few nodes, which numbers nodes has at random: two classes."""

    def __init__(self):
        draw = torch.Generator().manual_seed(0)
        for name, n in (("train", 40), ("val", 8), ("test", 40)):
            labels = torch.arange(n) % 2
            graphs = torch.stack([graph(int(c), draw) for c in labels])
            setattr(self, name, Split(labels, lambda i, size, graphs=graphs: graphs[i]))
        self.class_names = self.class_ids = ("ring", "star")
        self.channels, self.image_size = 2, NODES
        self.mean, self.std, self.fingerprint = (0.0, 0.0), (1.0, 1.0), "rings and stars"
        self.modality = "graph"


def graph(label, draw):
    """The adjacency, and which nodes there are on the diagonal of a second channel."""
    n = int(torch.randint(4, NODES + 1, (1,), generator=draw))
    adjacency, order = torch.zeros(NODES, NODES), torch.randperm(n, generator=draw)
    ends = order.roll(1) if label == 0 else order[:1].expand(n)
    adjacency[order, ends] = adjacency[ends, order] = 1
    nodes = torch.diag((torch.arange(NODES) < n).float())
    return (255 * torch.stack([adjacency, nodes])).to(torch.uint8)


class Degrees(torch.nn.Module):
    """A network of the sorted degrees, which no numbering changes."""

    def __init__(self, num_classes, channels, image_size):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(image_size, 16), torch.nn.ReLU(), torch.nn.Linear(16, num_classes)
        )

    def forward(self, x):
        return self.net(x[:, 0].sum(2).sort(1).values)
'''
PLAIN = ["autoencoder=identity", "decoder=plain", "distiller.folds=0"]
HARD = "protocol={name: small_hard, crop: null}"


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a command line on a user's graphs."""
    (tmp_path / "graphs.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "graphs", raising=False)
    places = [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]
    own = ["data=graphs:Graphs", "student=graphs:Degrees", "distiller.images_per_class=2"]
    return ["recipe=digits", *own, *PLAIN, "evaluation.seeds=1", "evaluation.workers=1", *places]


@pytest.fixture
def open_run(arguments) -> Callable[..., Run]:
    """Return a function that opens a run on the graphs."""
    return lambda *others: Run(recipe.read([*arguments, *others]).recipe)


def test_graphs_go_through_the_whole_program_but_for_pictures(arguments, tmp_path: Path) -> None:
    fit.main([*arguments, HARD, "evaluation.baselines=[random, full]", "evaluation.decoders=[]"])
    results = read_results(tmp_path / "out")
    found = {r.distiller: r.top1 for r in results}
    assert found["full"] > 0.9
    assert found["random"] > 0.6
    assert json.loads((tmp_path / "out" / "summary.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The answer" in page
    assert 'id="pictures"' not in page
    assert "data:image/png" not in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["protocol=small_hard"], r"crop=\[0.5, 1.0\] would change images.* 'graph'"),
        (["protocol={name: small_hard, crop: null, mix: cutmix}"], "mix=cutmix would change"),
        (["protocol={name: dc, dsa: flip, test_margin: true}"], "dsa=flip, test_margin=True"),
        ([HARD.replace("}", ", uses_hints: [tiles]}")], r"uses_hints=\['tiles'\] would change"),
        ([HARD, "autoencoder={name: kl, source: pretrain}"], "autoencoder kl is for images"),
    ],
)
def test_what_is_for_images_is_refused_before_anything_runs(open_run, words, told) -> None:
    run = open_run(*words)
    with pytest.raises(UsageError, match=told):
        refuse_run(run)
    assert run.records == []


def test_a_teacher_is_not_trained_on_mirrored_graphs(open_run) -> None:
    teacher = "pretrain.teacher={student: {name: convnet, depth: 1, width: 2}, steps: 1}"
    run = open_run("teacher={name: trained, source: pretrain}", teacher)
    with pytest.raises(DdoqError, match=r"protocol teacher: crop=.* would change"):
        run.pretrained("teacher")


def test_a_teacher_of_another_size_cannot_see_them(open_run) -> None:
    class Large:
        image_size = 12

    images: Images = open_run().images
    with pytest.raises(UsageError, match="12 pixels, the data have 6"):
        refuse_resizing(Large(), images)


def test_images_are_what_a_source_holds_that_says_nothing(tiny_images: Images) -> None:
    assert tiny_images.modality == "image"
