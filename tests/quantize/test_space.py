import pytest
import torch

from ddoq.quantize.space import Space, centered, direct, gram, prefers_gram


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


WEIGHTS = torch.tensor([[1.0, 2.0, 0.0, 0.5, 3.0, 1.0, 1.0, 1.0, 1.0]]).repeat(2, 1)
FORMS = [gram, direct]


@pytest.fixture(params=[True, False], ids=["even", "weighted"])
def weights(request: pytest.FixtureRequest) -> torch.Tensor:
    return torch.ones(2, 9) if request.param else WEIGHTS


def test_a_gram_matrix_is_made_of_inner_products():
    x = normals(2, 37, 5)
    expected = (x.double() @ x.double().mT).float()
    torch.testing.assert_close(gram(x, torch.ones(2, 37)).matrix, expected)


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_inner_products_with_the_whole_class(form, weights: torch.Tensor):
    x, classes, index = normals(2, 9, 3), torch.tensor([1, 0, 1]), torch.tensor([8, 0, 2])
    expected = torch.stack([x[c] @ x[c, i] for c, i in zip(classes, index, strict=True)])
    torch.testing.assert_close(form(x, weights).rows(classes * 9 + index), expected)


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_a_single_class_are_too(form):
    x, index = normals(1, 9, 3), torch.tensor([8, 0])
    rows = form(x, torch.ones(1, 9)).rows(index)
    torch.testing.assert_close(rows, x[0, index] @ x[0].T)


@pytest.mark.parametrize("form", FORMS)
def test_sums_are_those_of_weighted_cells(form, weights: torch.Tensor):
    x, labels = normals(2, 9, 3), torch.arange(18).reshape(2, 9) % 4
    cells = torch.nn.functional.one_hot(labels, 5).float() * weights[:, :, None]
    expected = cells.mT @ x @ x.mT
    torch.testing.assert_close(form(x, weights).sums(labels, 5), expected)


@pytest.mark.parametrize("form", FORMS)
def test_squares_are_the_squared_norms(form):
    space: Space = form(normals(2, 9, 3), WEIGHTS)
    torch.testing.assert_close(space.squares, normals(2, 9, 3).square().sum(2))
    assert not space.is_even


@pytest.mark.parametrize("form", FORMS)
def test_a_subset_is_the_same_as_if_it_had_been_alone(form):
    x, index = normals(1, 9, 3), torch.tensor([7, 1, 2, 5])
    part = form(x, WEIGHTS[:1]).subset(index)
    alone = form(x[:, index], WEIGHTS[:1, index])
    torch.testing.assert_close(part.rows(torch.arange(4)), alone.rows(torch.arange(4)))
    assert torch.equal(part.weights, alone.weights)


def test_centered_latents_far_from_the_origin_keep_their_digits():
    x = (normals(1, 200, 4) * 2**10).round() / 2**10  # exact beside 4096
    moved, center = centered(x + 4096, torch.ones(1, 200))
    torch.testing.assert_close(moved, (x - x.double().mean(1)).float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(center, 4096 + x.mean(1, keepdim=True))


def test_the_center_is_the_weighted_mean():
    x = normals(2, 9, 3) + 7
    _, center = centered(x, WEIGHTS)
    expected = (WEIGHTS[:, :, None] * x).sum(1) / WEIGHTS.sum(1, keepdim=True)
    torch.testing.assert_close(center[:, 0], expected)


def test_centering_leaves_the_callers_latents_alone():
    x = normals(1, 9, 3)
    centered(x, torch.ones(1, 9))
    assert torch.equal(x, normals(1, 9, 3))


@pytest.mark.parametrize(
    ("num", "dim", "num_points", "moves", "expected"),
    [
        # n^2 d / 2 + 23 n^2 against 23 n K d, and 0.7 n^2 d more with moves.
        (1000, 1000, 30, False, True),  # 0.52e9, 0.69e9
        (1000, 1000, 22, False, False),  # 0.52e9, 0.51e9
        (1000, 1000, 2, True, True),  # 0.52e9, 0.75e9
        (1000, 10, 10, True, False),  # 25e6, 9e6
        (1000, 1000, 1, True, False),
        (16_384, 10_000, 100, True, True),
        (16_385, 10_000, 100, True, False),  # more than 1 GiB
    ],
)
def test_the_form_with_fewer_multiplications_is_preferred(num, dim, num_points, moves, expected):
    assert prefers_gram(num, dim, num_points, restarts=1, moves=moves) is expected
