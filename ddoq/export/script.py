"""The script `train.py` of an export, which trains on it with torch and torchvision alone."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from ddoq.data.preprocessing import with_margin
from ddoq.export.exported import PICTURE_MODES, Exported
from ddoq.export.imagefolder import folders
from ddoq.export.plan import Plan
from ddoq.export.templates import rendered
from ddoq.export.webdataset import are_pictures
from ddoq.export.writer import Writer
from ddoq.protocols.protocol import Protocol

_NORMS = {
    "instance": "nn.GroupNorm(WIDTH, WIDTH)",
    "batch": "nn.BatchNorm2d(WIDTH)",
    "group": "nn.GroupNorm(max(1, WIDTH // 8), WIDTH)",
    "layer": "nn.GroupNorm(1, WIDTH)",
    "none": "nn.Identity()",
}
_POOLS = {"average": "nn.AvgPool2d(2)", "max": "nn.MaxPool2d(2)", "none": "nn.Identity()"}
_IMPORTS = {
    "csv": "import csv",
    "io": "import io",
    "json": "import json",
    "math": "import math",
    "sys": "import sys",
    "tarfile": "import tarfile",
    "time": "import time",
    "Path": "from pathlib import Path\n",
    "np": "import numpy as np",
    "pq": "import pyarrow.parquet as pq",
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "Image": "from PIL import Image, ImageOps",
    "load_file": "from safetensors.torch import load_file",
    "nn": "from torch import nn",
    "v2": "from torchvision.transforms import v2",
}
_PACKAGES = {"np": "numpy", "Image": "pillow", "pq": "pyarrow", "load_file": "safetensors"}
# Steps of fewer images than this are too small to learn from.
_SMALLEST = 8


def train_script(exported: Exported, writer: Writer, plan: Plan) -> str:
    """Return the script."""
    synthetic, protocol = exported.synthetic, plan.protocol
    channels, soft = synthetic.images.shape[1], exported.soft_labels is not None
    by_targets = protocol.labels == "targets"
    is_taught = protocol.labels == "soft" and exported.soft_of == "teacher"
    uses_soft = soft if by_targets else is_taught
    batch = min(protocol.batch_size, len(synthetic))
    values = {
        "soft": uses_soft,
        "loss": protocol.labels,
        "pictures": are_pictures(synthetic.images),
        "numbered": folders(synthetic.class_ids) != list(synthetic.class_ids),
        "mode": PICTURE_MODES.get(channels, "RGB"),
        "norm": _NORMS[plan.net["norm"]],
        "pools": plan.net["pooling"] != "none",
        "pool": _POOLS[plan.net["pooling"]],
        "warmup": protocol.warmup > 0,
        "schedule": protocol.schedule,
        "per_epoch": protocol.schedule_per == "epoch",
        "sampler": protocol.weights == "sampler",
        "spread": _is_spread(len(synthetic), batch),
        "decay_vectors": protocol.decay_vectors,
        "optimizer": _optimizer(protocol),
        "constants": _constants(exported, plan, batch, uses_soft),
        "told": _told(plan, uses_soft, exported.mean is not None),
    }
    values["read"] = rendered(writer.reading, values)
    unfinished = {**values, "imports": [], "needs": ""}
    body = rendered("train.py.j2", unfinished, is_file=True).partition("HERE = ")[2]
    used = [name for name in _IMPORTS if name == "Path" or _uses(body, name)]
    needs = ["torch", "torchvision", *sorted(_PACKAGES[n] for n in used if n in _PACKAGES)]
    finished = {"imports": [_IMPORTS[n] for n in used], "needs": ", ".join(needs)}
    return rendered("train.py.j2", {**values, **finished}, is_file=True)


def _uses(body: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){name}[.(]", body) is not None


def _is_spread(number: int, batch: int) -> bool:
    """Say whether an epoch is cut evenly, as its last step would be too small to learn from."""
    return 0 < number % batch < min(_SMALLEST, batch // 2)


def _optimizer(protocol: Protocol) -> str:
    shared = "groups, lr=LR, weight_decay=WEIGHT_DECAY"
    if protocol.optimizer == "adamw":
        return f"torch.optim.AdamW({shared})"
    return f"torch.optim.SGD({shared}, momentum=MOMENTUM)"


def _constants(
    exported: Exported, plan: Plan, batch: int, uses_soft: bool
) -> list[tuple[str, Any, str]]:
    """Return the protocol's settings, the network's and the images', with remarks."""
    protocol, number = plan.protocol, len(exported.synthetic)
    steps, per_epoch = protocol.num_steps(number), -(-number // batch)
    mean, std = exported.normalization
    whose = (
        "what the run normalized with"
        if exported.mean
        else "mean and std of these images, as those of the real ones are not known"
    )
    column = "[:, None, None].to(DEVICE)"
    found: list[tuple[str, Any, str]] = [
        ("MEAN", f"torch.tensor({mean}){column}", whose),
        ("STD", f"torch.tensor({std}){column}", ""),
        ("SIZE", plan.size, "pixels along a side"),
        ("DEPTH, WIDTH", f"{plan.net['depth']}, {plan.net['width']}", "of the ConvNet"),
        ("STEPS, BATCH", f"{steps}, {batch}", f"{steps / per_epoch:.4g} epochs"),
        ("LR, WEIGHT_DECAY", f"{_rate(protocol)!r}, {protocol.weight_decay!r}", ""),
    ]
    optional = {
        "MOMENTUM": (protocol.momentum, protocol.optimizer == "sgd"),
        "WARMUP": (protocol.warmup, protocol.warmup > 0),
        "LAST_FACTOR": (protocol.last_factor, protocol.schedule == "linear"),
        "MILESTONES": (protocol.milestones, protocol.schedule == "step"),
        "DECAY": (protocol.decay, protocol.schedule == "step"),
        "TEMPERATURE": (protocol.temperature, uses_soft and protocol.labels != "targets"),
        "PER_EPOCH": (per_epoch, protocol.schedule_per == "epoch" or _is_spread(number, batch)),
    }
    found += [(name, repr(value), "") for name, (value, is_used) in optional.items() if is_used]
    side = with_margin(plan.size) if protocol.test_margin else "SIZE"
    return [
        *found,
        ("AUGMENT", _augmentation(protocol), ""),
        ("FIT", f"v2.Compose([v2.Resize({side}), v2.CenterCrop(SIZE)])", "of test pictures"),
        ("EXPECTED", _literal(_expected(plan, uses_soft)), ""),
    ]


def _expected(plan: Plan, uses_soft: bool) -> str | Mapping[str, str]:
    """Return the score to expect; a mapping if a person chooses the kind of labels."""
    if plan.protocol.labels == "targets":
        return plan.expected["targets"]
    return plan.expected if uses_soft else plan.expected["hard"]


def _literal(expected: str | Mapping[str, str]) -> str:
    if isinstance(expected, str):
        return f'"{_plain(expected)}"'
    lines = [f'    "{k}": "{_plain(v)}",' for k, v in expected.items()]
    return "\n".join(["{", *lines, "}"])


def _rate(protocol: Protocol) -> float:
    return protocol.lr_of.get("convnet", protocol.lr)


def _augmentation(protocol: Protocol) -> str:
    crop = f"v2.RandomResizedCrop(SIZE, scale={tuple(protocol.crop)})" if protocol.crop else ""
    parts = [crop or "v2.Resize((SIZE, SIZE))", *(["v2.RandomHorizontalFlip()"] * protocol.flip)]
    return parts[0] if len(parts) == 1 else f"v2.Compose([{', '.join(parts)}])"


def _told(plan: Plan, uses_soft: bool, normalizes: bool) -> list[str]:
    """Return what the script does and does not reproduce, as lines of its docstring."""
    protocol = plan.protocol
    whose = f"the run's protocol {protocol.id}" if plan.is_of_run else f"ddoq's {protocol.id}"
    rest = ", weights and normalization" if normalizes else " and weights"
    if protocol.whiten != "none":
        rest = ", weights, but not the whitening"
    paragraphs = [
        f"Reproduced of {whose}: the network, its initialization, optimizer, rate, number of "
        f"steps, batches, crops{rest}."
    ]
    if protocol.labels == "soft":
        paragraphs.append(
            "Not reproduced: a teacher that labels every augmented crop anew. "
            + (
                "Here each image has one soft label, the teacher's for the whole image "
                "(--labels soft), or its class (--labels hard)."
                if uses_soft
                else "Here each image has the label of its class."
            )
        )
    paragraphs.append(
        f"Not reproduced: {', '.join(plan.missing)}. So its accuracy is not that of the run."
        if plan.missing
        else "Random numbers are not ddoq's, so agreement is within the interval, not to the digit."
    )
    return [line for p in paragraphs for line in textwrap.wrap(_plain(p), 96)]


def _plain(text: str) -> str:
    """Return text that is safe within a string of Python, whatever names it holds."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("\\", "/").replace('"', "'")
