import torch
from torch.autograd import gradcheck

from ddoq.data.preprocessing import Normalize


def test_normalizing_is_taking_away_and_dividing_and_the_inverse_undoes_it():
    normalize = Normalize((0.5, 0.25), (0.25, 2.0))
    images = torch.tensor([[1.0, 0.0], [0.25, 2.25]])[:, :, None, None]
    seen = normalize.forward(images)
    assert seen.flatten(1).tolist() == [[2.0, -0.125], [-1.0, 1.0]]
    assert torch.equal(normalize.inverse(seen), images)


def test_images_can_be_learned_through_it_even_if_it_measured_before():
    normalize = Normalize((0.123,), (0.456,))
    with torch.inference_mode():
        normalize.forward(torch.zeros(1, 1, 2, 2))
    images = torch.rand(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: normalize.inverse(normalize.forward(x) ** 2), images)
