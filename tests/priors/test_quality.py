"""FID, KID, precision and recall against closed forms, torchmetrics and brute force."""

import pytest
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from ddoq import keyed, recipe
from ddoq.priors.quality import features_of, fid, in_class, kid, precision, recall
from ddoq.run import Run


def normal(num: int, dim: int, purpose: str) -> torch.Tensor:
    return keyed.normal(keyed.seed_of(purpose), torch.arange(num), (dim,))


def test_fid_of_two_gaussians_is_known():
    """Variances 1 and 4, means 3 apart in each of two dimensions: 2 (9 + 1 + 4 - 2 * 2)."""
    a, b = normal(200_000, 2, "a"), 2 * normal(200_000, 2, "b") + 3
    assert fid(a, b) == pytest.approx(20, rel=0.01)
    assert fid(a, a) == pytest.approx(0, abs=1e-9)


def test_fid_is_that_of_torchmetrics():
    a, b = normal(500, 8, "a") @ torch.randn(8, 8), normal(400, 8, "b") ** 3
    moments = [m for x in (a, b) for m in (x.double().mean(0), x.double().T.cov())]
    expected = _compute_fid(moments[0], moments[1], moments[2], moments[3])
    assert fid(a, b) == pytest.approx(float(expected), rel=1e-6)


def test_kid_is_that_of_torchmetrics_over_equal_blocks():
    a, b = normal(300, 8, "a"), normal(300, 8, "b") + 0.3
    blocks = zip(a.double().split(100), b.double().split(100), strict=True)
    expected = torch.stack([poly_mmd(x, y) for x, y in blocks])
    mean, error = kid(a, b, block=100)
    assert mean == pytest.approx(float(expected.mean()), rel=1e-9)
    assert error == pytest.approx(float(expected.std() / 3**0.5), rel=1e-9)


def test_kid_has_no_bias():
    values = [kid(normal(60, 4, f"a{i}"), normal(60, 4, f"b{i}"))[0] for i in range(200)]
    mean = torch.tensor(values).mean()
    assert abs(float(mean)) < 3 * float(torch.tensor(values).std()) / 200**0.5


def test_features_are_gathered_in_order():
    batches = [torch.full((2, 1, 2, 2), i, dtype=torch.uint8) for i in range(3)]
    found = features_of(lambda x: x.float().flatten(1).mean(1, keepdim=True), batches)
    assert found.flatten().tolist() == [0, 0, 1, 1, 2, 2]


def test_identical_images_have_precision_and_recall_of_one():
    rows = normal(60, 5, "a")
    assert precision(rows, rows.clone()) == recall(rows, rows.clone()) == 1


def test_disjoint_images_have_precision_and_recall_of_zero():
    rows = normal(60, 5, "a")
    assert precision(rows, rows + 100) == recall(rows, rows + 100) == 0


def test_a_part_of_the_images_is_precise_and_leaves_out_the_rest():
    near, far = normal(60, 5, "a"), normal(20, 5, "b") + 100
    real = torch.cat([near, far])
    assert (precision(real, near), recall(real, near)) == (1, 60 / 80)


def test_a_ball_reaches_to_its_neighbor_and_no_further():
    """Rows 0, 1, 3, 7 reach 1, 1, 2, 4 far, so 11 is inside and 11.1 outside."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    drawn = torch.tensor([[11.0], [11.1]])
    assert precision(real, drawn, neighbors=1) == 0.5


@pytest.mark.parametrize("neighbors", [1, 3, 5])
def test_precision_and_recall_are_those_of_brute_force(neighbors: int):
    real, drawn = normal(50, 3, "a"), 0.7 * normal(30, 3, "b") + 0.5

    def share(points: torch.Tensor, centers: torch.Tensor) -> float:
        reach = [sorted(float((c - o).norm()) for o in centers)[neighbors] for c in centers]
        pairs = [
            [float((p - c).norm()) <= r for c, r in zip(centers, reach, strict=True)]
            for p in points
        ]
        return sum(map(any, pairs)) / len(points)

    assert precision(real, drawn, neighbors=neighbors) == pytest.approx(share(drawn, real))
    assert recall(real, drawn, neighbors=neighbors) == pytest.approx(share(real, drawn))
    assert 0 < share(real, drawn) < 1


def test_too_few_images_have_no_neighbors():
    with pytest.raises(ValueError, match="3 rows"):
        recall(normal(60, 5, "a"), normal(3, 5, "b"))


def test_the_verdict_is_the_share_in_class():
    run = Run(recipe.read(["recipe=digits"]).recipe)
    images, labels = run.images.pixels("test"), run.images.test.labels
    expected = (run.teacher(images / 255).argmax(1) == labels).float().mean()
    for given in (images, images / 255):
        share = in_class(run.teacher, given, labels, batch_size=100)
        assert share == pytest.approx(float(expected))
    assert in_class(run.teacher, images, (labels + 1) % 10) < 0.05
