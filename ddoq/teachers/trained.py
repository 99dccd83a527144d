"""A teacher from a folder that `pretrain` wrote, with safetensors and a description."""

from pathlib import Path
from typing import Any

from torch import nn

from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import read_json, verify, write_json
from ddoq.files.given import intact
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.recipe import shipped
from ddoq.recipe.component import build
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.tables import STUDENTS
from ddoq.teachers.teacher import Precision, Teacher


def trained_teacher(*, source: str = "pretrain", dtype: Precision = "float32") -> Teacher:
    """Load a teacher from `source`, a folder; `pretrain` trains one on the recipe's images.

    With `dtype: bfloat16` it labels in half precision.
    """
    folder = shipped.locate(source)
    if not all((folder / name).is_file() for name in ("teacher.json", "model.safetensors")):
        raise ResourceError(
            f"there is no teacher at {source}", "give a folder that pretrain wrote, or pretrain"
        )
    verify(folder, needs_manifest=False)
    with intact(folder / "teacher.json"):
        described = read_json(folder / "teacher.json")
        net = make_net(described["student"], described)
        about: dict[str, Any] = {k: tuple(described[k]) for k in ("class_ids", "mean", "std")}
        about["image_size"] = described["image_size"]
    with intact(folder / "model.safetensors"):
        net.load_state_dict(read_tensors(folder / "model.safetensors"))
    return Teacher(net, **about, dtype=dtype)


def make_net(block: dict[str, Any], described: dict[str, Any]) -> nn.Module:
    """Build the network of a description. It must be of a known family: no code is run."""
    if block["name"] not in STUDENTS and not block["name"].startswith(("timm/", "torchvision/")):
        raise UsageError(
            f"the teacher's network {block['name']!r} is not one of ours",
            f"use {', '.join(STUDENTS)} for a teacher",
        )
    return build(
        KINDS,
        "student",
        block,
        num_classes=len(described["class_ids"]),
        channels=len(described["mean"]),
        image_size=described["image_size"],
    )


def save_teacher(folder: Path, net: nn.Module, described: dict[str, Any]) -> None:
    """Write a teacher's weights and description."""
    write_tensors(folder / "model.safetensors", net.state_dict())
    write_json(folder / "teacher.json", described)
