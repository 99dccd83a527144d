"""Parts of residual networks: stems, blocks and stages.

A block is made by a function of `(inputs, outputs, stride, norm)`: the channels that go in and come
out, the factor by which it divides the image's side, and its normalization.
"""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ddoq.students.norms import norm_of

MakeBlock = Callable[[int, int, int, str], nn.Module]

# The number of a bottleneck's outer channels for each inner one.
EXPANSION = 4


class Residual(nn.Module):
    """A body and a shortcut around it."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return the rectified sum of both paths."""
        return F.relu(self.body(x) + self.shortcut(x))


class Padding(nn.Module):
    """The shortcut without parameters (He et al.'s option A), whose new channels are zero."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return every `stride`-th pixel of both sides, with the new channels."""
        kept = x[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.new_channels))


def _conv(inputs: int, outputs: int, kernel: int, norm: str, stride: int = 1) -> nn.Conv2d:
    # A norm would cancel the bias.
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=norm == "none")


def _normed(inputs: int, outputs: int, kernel: int, norm: str, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, kernel, norm, stride), norm_of(norm, outputs))


def _projection(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return _normed(inputs, outputs, 1, norm, stride)


def _basic_body(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    first = _normed(inputs, outputs, 3, norm, stride)
    return nn.Sequential(first, nn.ReLU(), _normed(outputs, outputs, 3, norm))


def basic(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    """Return two 3x3 convolutions. The first has the stride, as has the projection around them."""
    body = _basic_body(inputs, outputs, stride, norm)
    return Residual(body, _projection(inputs, outputs, stride, norm))


def padded(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    """Return a basic block whose shortcut has no parameters."""
    body = _basic_body(inputs, outputs, stride, norm)
    return Residual(body, Padding(outputs - inputs, stride))


def pooled(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    """Return a basic block with average pooling instead of a stride."""
    if stride == 1:
        return basic(inputs, outputs, stride, norm)
    first, last = _normed(inputs, outputs, 3, norm), _normed(outputs, outputs, 3, norm)
    body = nn.Sequential(first, nn.ReLU(), nn.AvgPool2d(stride), last)
    pooling = nn.AvgPool2d(stride)
    projection = _conv(inputs, outputs, 1, norm), pooling, norm_of(norm, outputs)
    return Residual(body, nn.Sequential(*projection))


def bottleneck(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    """Return a 3x3 convolution with the stride, between 1x1 ones that narrow and widen."""
    inner = outputs // EXPANSION
    body = nn.Sequential(
        _normed(inputs, inner, 1, norm),
        nn.ReLU(),
        _normed(inner, inner, 3, norm, stride),
        nn.ReLU(),
        _normed(inner, outputs, 1, norm),
    )
    return Residual(body, _projection(inputs, outputs, stride, norm))


def stages(
    block: MakeBlock, inputs: int, widths: Sequence[int], counts: Sequence[int], norm: str
) -> nn.Sequential:
    """Return stages of `counts` blocks of `widths` channels. All but the first halve the image."""
    blocks: list[nn.Module] = []
    for number, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for place in range(count):
            stride = 2 if number > 0 and place == 0 else 1
            blocks.append(block(inputs, width, stride, norm))
            inputs = width
    return nn.Sequential(*blocks)


def even_stem(
    channels: int, width: int, norm: str, *, kernel: int = 3, pooling: int = 1
) -> nn.Sequential:
    """Return a convolution of stride 1, followed by average pooling by `pooling`."""
    stem = nn.Sequential(_normed(channels, width, kernel, norm), nn.ReLU())
    return stem if pooling == 1 else stem.append(nn.AvgPool2d(pooling))


def strided_stem(channels: int, width: int, norm: str) -> nn.Sequential:
    """Return He et al.'s stem for ImageNet, which divides the image's side by four."""
    pooling = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(_normed(channels, width, 7, norm, 2), nn.ReLU(), pooling)
