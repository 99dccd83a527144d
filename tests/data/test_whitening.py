"""Is the whitening the one that MTT's code takes from Kornia?"""

import pytest
import torch

from ddoq.data.preprocessing import ZCA
from ddoq.data.whitening import whitening
from ddoq.errors import ResourceError


def kornia(images: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Write out `zca_mean(images, dim=0, unbiased=True, eps=eps, return_inverse=True)`."""
    x = images.flatten(1).double()
    mean = x.mean(0, keepdim=True)
    x = x - mean
    u, s, _ = torch.linalg.svd(x.T @ x / float(len(x) - 1))
    s = s.reshape(-1, 1)
    matrix = u @ ((1 / (s + eps).sqrt()) * u.T)
    return matrix, u @ ((s + eps).sqrt() * u.T), mean


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Return 50 images of 3 x 4 x 4 whose pixels depend on each other."""
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(48, 48, generator=draw)
    return (torch.randn(50, 48, generator=draw) @ mixing).sigmoid().reshape(50, 3, 4, 4)


def test_it_is_kornias_formula_whatever_the_batches(images: torch.Tensor):
    found = whitening(images.split(7), 48)
    matrix, back, mean = kornia(images, 0.1)
    torch.testing.assert_close(found.matrix, matrix.float(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.back, back.float(), atol=1e-6, rtol=1e-5)
    seen = found.forward(images)
    expected = (images.flatten(1).double() - mean) @ matrix
    torch.testing.assert_close(seen.flatten(1), expected.float(), atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(found.inverse(seen), images, atol=2e-6, rtol=1e-5)


def test_white_images_have_no_covariance_but_for_eps(images: torch.Tensor):
    values = torch.linalg.eigvalsh(torch.cov(images.flatten(1).double().T)).clamp(min=0)
    seen = whitening([images], 48).forward(images).flatten(1).double()
    expected = (values / (values + 0.1)).sort().values
    torch.testing.assert_close(
        torch.linalg.eigvalsh(torch.cov(seen.T)).clamp(min=0), expected, atol=1e-5, rtol=1e-5
    )


def test_images_that_are_too_large_are_refused():
    with pytest.raises(ResourceError, match="image_size=64"):
        whitening([], 3 * 65**2)


def test_images_can_be_learned_through_it(images: torch.Tensor):
    zca: ZCA = whitening([images], 48)
    seen = zca.forward(images[:2]).requires_grad_()
    zca.inverse(seen).sum().backward()
    torch.testing.assert_close(seen.grad[0].flatten(), zca.back.sum(1))
