"""What may be set: both sides read the same words."""

from dataclasses import dataclass
from pathlib import Path

from ddoq.errors import UsageError
from ddoq.recipe import arguments

# The networks that the public code has by name, by their width.
MODELS = {32: "ConvNetW32", 64: "ConvNetW64", 128: "ConvNet", 256: "ConvNetW256"}
AUGMENTATION = "color_crop_cutout_flip_scale_rotate"
# Of the images, by method.
RATES = {"dm": 1.0, "dsa": 0.1}


@dataclass(frozen=True)
class Options:
    """The settings of a comparison."""

    peer: Path
    method: str = "dm"
    images_per_class: int = 10
    batch_size: int = 256
    width: int = 128
    outer: int = 0
    """Steps with each network of `dsa`; 0 for the published number."""
    inner: int = 1
    """Epochs of its training between two of them, if `outer` is given."""
    steps: int = 3
    """In each round."""
    rounds: int = 5
    threads: int = 2
    out: Path = Path("matching.json")

    def __post_init__(self) -> None:
        counts = {"batch_size": self.batch_size, "steps": self.steps, "rounds": self.rounds}
        arguments.at_least(1, **counts, threads=self.threads)
        # The public code's augmentation of a single image is refused by today's torch.
        arguments.at_least(2, images_per_class=self.images_per_class)
        for key, known in (("method", RATES), ("width", MODELS)):
            if getattr(self, key) not in known:
                raise UsageError(
                    f"{key}={getattr(self, key)}", f"use one of {', '.join(map(str, known))}"
                )
