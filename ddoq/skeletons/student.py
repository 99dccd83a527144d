"""A network of your own. Every class and function here may be changed, renamed or removed.

python -m ddoq.fit recipe=digits student=MODULE:MyStudent
"""

from torch import Tensor, nn


class MyStudent(nn.Module):
    """A small convolutional network.

    Args:
        num_classes: Given by the program, as are channels and image_size where you ask for them.
        width: Yours, as anything else: `student={name: ..., width: 64}` on the command line.
    """

    def __init__(self, num_classes: int, channels: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            # Where in the image something is tells more than that it is somewhere.
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit for each class. The images are normalized already."""
        return self.head(self.body(images))
