"""Do the gradients of a weighted small set come near those of the whole class?"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from benchmarks.theory.finding import Check, Curve, Finding, Plot, Scale
from ddoq import keyed
from ddoq.distillers import weighting
from ddoq.quantize import functional
from ddoq.quantize.lloyd import Lloyd

_WEIGHTINGS = {"mass": weighting.mass, "root": weighting.root, "uniform": weighting.uniform}
_DIM, _WIDTH, _NETWORKS = 2, 8, 8


def expected_gradients(scale: Scale, seed: int) -> Finding:
    """Measure |E grad l - sum w_k grad l(x_k)| against K, for three weightings.

    The class is two Gaussians, one dense and one wide. The error is relative, and the mean over
    several fixed networks of one hidden layer.
    """
    generator = keyed.generator("theory", "gradients", seed)
    x = _class(scale.num_latents, generator)
    networks = [_network(generator) for _ in range(_NETWORKS)]
    equal = torch.full((len(x),), 1 / len(x), dtype=x.dtype)
    wholes = [gradient(network, x, equal) for network in networks]
    errors: dict[str, list[float]] = {name: [] for name in _WEIGHTINGS}
    for num in scale.num_points:
        points = Lloyd(restarts=2)(x.float(), num, generator=generator).double()
        counts = torch.bincount(functional.assign(x, points)[0], minlength=num)
        for name, weights in class_weights(counts / len(x)).items():
            pairs = [
                (gradient(n, points, weights), w) for n, w in zip(networks, wholes, strict=True)
            ]
            relative = [float((part - whole).norm() / whole.norm()) for part, whole in pairs]
            errors[name].append(sum(relative) / len(relative))
    counts = tuple(map(float, scale.num_points))
    curves = tuple(Curve(name, counts, tuple(values)) for name, values in errors.items())
    return Finding("expected gradients", _checks(*curves), _plot(curves))


def _class(num: int, generator: torch.Generator) -> Float[Tensor, "n dim"]:
    part = torch.multinomial(torch.tensor([0.7, 0.3]), num, True, generator=generator)
    center = torch.tensor([-1.0, 1.0], dtype=torch.float64)[part][:, None]
    spread = torch.tensor([0.4, 1.0], dtype=torch.float64)[part][:, None]
    noise = torch.randn(num, _DIM, generator=generator, dtype=torch.float64)
    return center + spread * noise


def _network(generator: torch.Generator) -> list[Tensor]:
    shapes = ((_DIM, _WIDTH), (_WIDTH,), (_WIDTH,))
    drawn = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    return [parameter.requires_grad_() for parameter in drawn]


def gradient(
    parameters: list[Tensor], x: Float[Tensor, "n dim"], weights: Float[Tensor, " n"]
) -> Float[Tensor, " size"]:
    """Return the gradient of the weighted logistic loss of a network of one hidden layer."""
    inner, offset, outer = parameters
    logits = torch.tanh(x @ inner + offset) @ outer
    parts = torch.autograd.grad((weights * softplus(-logits)).sum(), parameters)
    return torch.cat([part.flatten() for part in parts])


def class_weights(masses: Float[Tensor, " k"]) -> dict[str, Float[Tensor, " k"]]:
    """Return the loss weights of each scheme, summing to 1 in a class."""
    labels = torch.zeros(len(masses), dtype=torch.int64)
    one = torch.ones(1, dtype=torch.float64)
    drawn = {n: scheme(masses.double(), labels, one) for n, scheme in _WEIGHTINGS.items()}
    return {name: weights / len(masses) for name, weights in drawn.items()}


def _checks(mass: Curve, root: Curve, uniform: Curve) -> tuple[Check, ...]:
    rate = -1 / _DIM
    return (
        Check("mass: slope, no flatter than W2's", "≤", rate, mass.slope),
        Check("root: slope, flatter than W2's", "≥", rate, root.slope),
        Check("uniform: slope, flatter than W2's", "≥", rate, uniform.slope),
        Check("error at the largest K: mass / root", "≤", 1.0, mass.y[-1] / root.y[-1]),
        Check("error at the largest K: mass / uniform", "≤", 1.0, mass.y[-1] / uniform.y[-1]),
    )


def _plot(curves: tuple[Curve, ...]) -> Plot:
    title = "Expected gradients of small networks"
    return Plot(title, "points K", "relative error", curves)
