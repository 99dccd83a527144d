from dataclasses import replace

import torch

from ddoq.matching.labeled import Labeled
from ddoq.objectives.feature_mean import feature_mean


def test_the_gradient_is_that_of_the_closed_form_and_its_step_leads_to_the_mean():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, generator=draw, dtype=torch.float64)
    s = torch.randn(4, 3, generator=draw, dtype=torch.float64).requires_grad_(True)
    real = Labeled(torch.zeros(8, 1, 1, 1), torch.zeros(8).long(), torch.ones(8))
    ours = replace(
        real, images=torch.zeros(4, 1, 1, 1), labels=torch.zeros(4).long(), weights=torch.ones(4)
    )
    [loss] = feature_mean((x, real), (s, ours), torch.tensor([0]))
    [gradient] = torch.autograd.grad(loss, s)
    wanted = -2 * (x.mean(0) - s.mean(0)) / 4
    torch.testing.assert_close(gradient, wanted.expand(4, 3))
    torch.testing.assert_close((s - 4 / 2 * gradient).mean(0), x.mean(0))
