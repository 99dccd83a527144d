"""A teacher from a user's own file: safetensors, or a torch file that holds only weights."""

from pathlib import Path
from typing import Any

from torch import Tensor

from ddoq.data.images import Images
from ddoq.errors import IntegrityError, ResourceError, UsageError
from ddoq.files.pickles import read_pickle
from ddoq.files.tensors import read_tensors
from ddoq.recipe.component import Block
from ddoq.teachers.teacher import Precision, Teacher
from ddoq.teachers.trained import make_net

# The keys under which training programs keep weights beside other things.
_WITHIN = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "net.", "model.")


def checkpoint_teacher(
    images: Images,
    *,
    source: str,
    student: Block,
    class_ids: list[str],
    mean: list[float] | None = None,
    std: list[float] | None = None,
    image_size: int | None = None,
    dtype: Precision = "float32",
) -> Teacher:
    """Load weights into one of our networks, timm's or torchvision's.

    `class_ids` are the classes of the outputs in order, as other programs sort folders differently.
    By default the normalization and the size are those of the images.
    """
    ids, size = tuple(class_ids), image_size or images.image_size
    center, spread = tuple(mean or images.mean), tuple(std or images.std)
    net = make_net(student, {"class_ids": ids, "mean": center, "image_size": size})
    weights = _weights(Path(source).expanduser())
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise UsageError(
            f"{source} does not fit {student['name']} with {len(ids)} classes: {' '.join(lines)}",
            "name the network that was trained (teacher.student) and its classes "
            "(teacher.class_ids, in the order of its outputs)",
        ) from error
    return Teacher(net, class_ids=ids, mean=center, std=spread, image_size=size, dtype=dtype)


def _weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise ResourceError(f"there is no file {file}", "give teacher.source the weights")
    content: Any = _tensors(file) if file.suffix == ".safetensors" else read_pickle(file)
    for key in _WITHIN:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise UsageError(f"{file} holds no weights by name", "save model.state_dict()")
    for prefix in _PREFIXES:
        if content and all(k.startswith(prefix) for k in content):
            content = {k.removeprefix(prefix): t for k, t in content.items()}
    return content


def _tensors(file: Path) -> Any:
    from safetensors import SafetensorError

    try:
        return read_tensors(file)
    except SafetensorError as error:
        raise IntegrityError(f"{file} is damaged: {error}", "save it again") from error
