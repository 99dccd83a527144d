"""Are images cut into the right tiles?"""

import torch

from ddoq.protocols.tiles import unfolded


def test_tiles_come_from_left_to_right_and_then_downwards() -> None:
    image = torch.zeros(2, 1, 4, 4)
    image[1, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).kron(torch.ones(2, 2))
    found = unfolded(image, 2)
    assert found[:4].abs().max() == 0
    assert [t.unique().tolist() for t in found[4:]] == [[1.0], [2.0], [3.0], [4.0]]


def test_one_tile_is_the_image_and_bytes_become_shares() -> None:
    image = torch.randint(256, (3, 3, 6, 6), dtype=torch.uint8)
    assert torch.equal(unfolded(image, 1), image / 255)


def test_a_tiles_gradient_reaches_its_own_pixels_alone() -> None:
    image = torch.rand(1, 2, 6, 6, requires_grad=True)
    unfolded(image, 3)[5].sum().backward()
    assert image.grad is not None
    # The sixth of nine: in the second row on the right.
    expected = torch.zeros(1, 2, 6, 6)
    expected[..., 2:4, 4:6] = 9.0
    assert torch.allclose(image.grad, expected)
