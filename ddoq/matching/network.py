"""A network as a function of one vector of weights, so that nothing is stored in the module."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from ddoq.errors import UsageError
from ddoq.matching.scene import View

# Images that pass a network at a time on a CPU, if no gradient is asked for. Their activations are
# the largest part of a step's memory.
_AT_ONCE = 128


class _Both(nn.Module):
    """A network whose features can be asked for by a call, as `functional_call` wants it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, *, asks_features: bool) -> Tensor:
        return self.net.features(images) if asks_features else self.net(images)  # type: ignore[operator] # a method


class FlatNetwork:
    """A network of which all weights are one vector.

    Args:
        make: Makes the network with new random weights.
        name: The name of the network, for errors.
        device: Where it computes.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        *,
        name: str = "the network",
        device: torch.device | str = "cpu",
    ) -> None:
        self._make, self._name, self._device = make, name, torch.device(device)
        net = make()
        if not callable(getattr(net, "features", None)):
            raise UsageError(
                f"{name} has no method `features`, through which sets are compared",
                "use convnet, resnet or resnetap, or give your network a method `features(images)` "
                "that returns what its classifier reads",
            )
        self._module = _Both(net).to(self._device)
        self._names = [n for n, _ in self._module.named_parameters()]
        self.shapes = [p.shape for p in self._module.parameters()]
        """The shapes of the weight tensors, in the order of the vector."""
        self.sizes = [p.numel() for p in self._module.parameters()]
        self.num_weights = sum(self.sizes)

    @property
    def has_batch_statistics(self) -> bool:
        """Whether an image's features depend on the other images of its batch."""
        kinds = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
        return any(isinstance(module, kinds) for module in self._module.modules())

    def refuse_batch_statistics(self) -> None:
        """Refuse a network that a class passes alone, if it depends on the batch."""
        if self.has_batch_statistics:
            raise UsageError(
                f"one class at a time passes through {self._name}, whose batch norm would take "
                "away what the images of the class have in common",
                "use a network without batch statistics, for example "
                '"distiller.student={name: convnet, norm: instance}"',
            )

    def fresh(self, seed: int) -> View:
        """Return new random weights: a function of the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = self._make()
        flat = torch.cat([p.detach().flatten() for p in made.parameters()])
        return View(flat.to(self._device))

    def layers(self, flat: Float[Tensor, " p"]) -> list[Tensor]:
        """Cut a vector, of weights or of a gradient, into the tensors of the layers."""
        # One split, as the gradient of each slice alone would be a whole vector.
        parts = zip(flat.split(self.sizes), self.shapes, strict=True)
        return [part.reshape(shape) for part, shape in parts]

    def logits(self, view: View, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the network's answers."""
        return self.logits_of(self.layers(view.weights), images)

    def logits_of(
        self, layers: Sequence[Tensor], images: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n classes"]:
        """Return the answers of a network whose weights are these, layer by layer."""
        return self._call(layers, images, asks_features=False)

    def features(self, view: View, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n dim"]:
        """Return what the network's classifier reads."""
        layers, parts = self.layers(view.weights), self._parts(images)
        found = [self._call(layers, part, asks_features=True).flatten(1) for part in parts]
        return torch.cat(found) if len(found) > 1 else found[0]

    def _parts(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the images in parts, if it changes nothing but the memory that is needed."""
        is_whole = torch.is_grad_enabled() or images.device.type != "cpu"
        return (images,) if is_whole or self.has_batch_statistics else images.split(_AT_ONCE)

    def _call(self, layers: Sequence[Tensor], images: Tensor, *, asks_features: bool) -> Tensor:
        tensors = dict(zip(self._names, layers, strict=True))
        # Batch statistics are those of the batch; running ones are never read, but written to.
        buffers = {n: b.clone() for n, b in self._module.named_buffers()}
        how = {"asks_features": asks_features}
        return functional_call(self._module, {**tensors, **buffers}, (images,), how)
