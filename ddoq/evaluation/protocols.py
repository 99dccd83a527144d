"""What must be equal in two trainings for their numbers to be comparable?"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from ddoq.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything about a training that belongs to the measurement, not to the method.

    The length is `steps` (optimizer updates) or `epochs`, exactly one of them. Every result
    carries `id`: the preset's name and each field that was changed.
    """

    id: str
    source: str
    deviations: str = ""
    labels: Literal["soft", "hard"]
    loss: Literal["soft_ce", "kl", "mse_ce", "ce"]
    temperature: float = 1.0
    steps: int | None = None
    epochs: int | None = None
    batch_size: int
    optimizer: Literal["adamw", "sgd"]
    lr: float
    lr_of: dict[str, float] = field(default_factory=dict[str, float])
    weight_decay: float
    decay_vectors: bool = False
    """Whether biases and the parameters of norms are decayed too."""
    momentum: float = 0.9
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: list[float] = field(default_factory=lambda: [2 / 3, 5 / 6])
    decay: float = 0.2
    warmup: float = 0.0
    image_size: int | None = None
    crop: list[float] | None = None
    flip: bool = False
    jitter: float = 0.0
    lighting: float = 0.0
    mix: Literal["none", "cutmix", "mixup"] = "none"
    mix_alpha: float = 1.0
    mix_per: Literal["sample", "batch"] = "sample"
    weights: Literal["loss", "sampler"] = "loss"
    reported: Literal["last"] = "last"
    evaluator: Literal["train"] = "train"

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise UsageError(
                f"protocol {self.id}: steps={self.steps} and epochs={self.epochs}",
                "a protocol's length is given by exactly one of the two",
            )
        if self.batch_size < 1 or not 0 <= self.warmup < 1:
            raise UsageError(
                f"protocol {self.id}: batch_size={self.batch_size}, warmup={self.warmup}",
                "a batch has at least one image; the warmup is a share of the steps below 1",
            )
        if (self.labels == "hard") != (self.loss == "ce"):
            raise UsageError(
                f"protocol {self.id}: labels={self.labels} with loss={self.loss}",
                "hard labels are read by loss=ce, soft labels by soft_ce, kl and mse_ce",
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "Protocol":
        """Return a named preset; any change becomes part of its id."""
        return PRESETS[name].change(**changes)

    def change(self, **changes: Any) -> "Protocol":
        """Return this protocol with some fields changed, and an id that says so."""
        name = self.id.split("+")[0]
        origin = PRESETS.get(name, self)
        changed = dataclasses.replace(self, **changes)
        real = {k: getattr(changed, k) for k in vars(self) if k != "id"}
        marks = [f"+{k}={v}" for k, v in sorted(real.items()) if getattr(origin, k) != v]
        return dataclasses.replace(changed, id=name + "".join(marks))

    def num_steps(self, num_images: int) -> int:
        """Return the number of optimizer updates on a set of `num_images`."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * max(1, -(-num_images // self.batch_size))


_SMALL = Protocol(
    id="small",
    source="ddoq: a fixed number of updates, for small images and small networks",
    labels="soft",
    loss="soft_ce",
    steps=200,
    batch_size=64,
    optimizer="adamw",
    lr=2e-3,
    weight_decay=0.01,
    schedule="cosine",
    warmup=0.1,
    crop=[0.5, 1.0],
)

_FKD = Protocol(
    id="fkd",
    source="SRe2L and D4M validation; DDOQ's UNet track",
    deviations="reports the last epoch, where the source reports the best on test; tests on the "
    "short side resized to 224, where the source resizes to 256 and crops 224",
    labels="soft",
    loss="kl",
    temperature=20.0,
    epochs=300,
    batch_size=1024,
    optimizer="adamw",
    lr=1e-3,
    weight_decay=0.01,
    schedule="cosine",
    image_size=224,
    crop=[0.08, 1.0],
    flip=True,
    mix="cutmix",
    mix_per="batch",
)

_MINIMAX = Protocol(
    id="minimax_hard",
    source="Minimax Diffusion, hard labels, IPC 10",
    deviations="reports the last epoch, where the source reports the best of about 100 on test; "
    "tests on the short side resized to 224, where networks have batch norm keeps it",
    decay_vectors=True,
    labels="hard",
    loss="ce",
    epochs=2000,
    batch_size=64,
    optimizer="sgd",
    lr=0.01,
    weight_decay=5e-4,
    schedule="step",
    milestones=[2 / 3, 5 / 6],
    decay=0.2,
    image_size=224,
    crop=[0.5, 1.0],
    flip=True,
    jitter=0.4,
    lighting=0.1,
    mix="cutmix",
    mix_per="batch",
)

PRESETS: dict[str, Protocol] = {
    "small": _SMALL,
    "small_hard": dataclasses.replace(_SMALL, id="small_hard", labels="hard", loss="ce"),
    "fkd": _FKD,
    "minimax_hard": _MINIMAX,
}
