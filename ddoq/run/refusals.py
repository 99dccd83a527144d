"""Checks of runs and sets that need the images, made before anything is trained."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import __version__
from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import versions
from ddoq.files.memo import remembered
from ddoq.protocols.consistency import refuse_modality
from ddoq.recipe import shipped
from ddoq.recipe.component import Block, is_code, sources
from ddoq.recipe.kinds import PRETRAINERS
from ddoq.run.decoders import refuse_decoder
from ddoq.run.published import refuse_published

if TYPE_CHECKING:
    from torch import Tensor

    from ddoq.data.images import Images
    from ddoq.evaluation.training import Training
    from ddoq.protocols.protocol import Protocol
    from ddoq.run import Run


def refuse_run(run: "Run") -> None:
    """Refuse, before any stage, errors that only timm, the images and the constructors show."""
    from ddoq.data.seen import refuse_seen

    teachers = [run.recipe.teacher, *run.recipe.evaluation.teachers]
    for block in [*run.recipe.students, *teachers]:
        _refuse_model(block["name"])
    _refuse_protocols(run)
    _refuse_evaluation(run)
    for block in run.recipe.students:
        _refuse_student(run, block)
    for block in run.recipe.decoders:
        refuse_decoder(run, block)
    refuse_published(run)
    settings = run.recipe.evaluation
    splits = [settings.split, *(["val"] if settings.choose else [])]
    for part in PRETRAINERS:
        blocks = teachers if part == "teacher" else [getattr(run.recipe, part)]
        for source in (s for block in blocks for s in sources(block) if s != "pretrain"):
            for split in splits:
                refuse_seen(shipped.locate(source), run.images, split)


def _refuse_model(name: str) -> None:
    """Refuse a network that timm or torchvision does not have."""
    from ddoq.students import timm, torchvision

    checks = {"timm": timm.check_model, "torchvision": torchvision.check_model}
    family, _, model = name.partition("/")
    if model and family in checks:

        def check() -> dict[str, str]:
            checks[family](model)
            return {}

        # Asking the library takes as long as everything else in a finished run.
        remembered("model", [name, versions()], check)


def _refuse_student(run: "Run", block: Block) -> None:
    """Refuse settings that the student's constructor does not take."""

    def make() -> dict[str, str]:
        net = run.make("student", block)
        if is_code(block["name"]):
            run.try_own(net, block["name"])
        return {}

    shape = [run.num_classes, run.channels, run.image_size]
    remembered("student", [run.key("student", block), shape, versions(), __version__], make)


def refuse_places(**folders: str | None) -> None:
    """Refuse folders that are files or not writable, without leaving a trace there."""
    for key, folder in folders.items():
        if folder is None:
            continue
        place = Path(folder).absolute()
        try:
            # If the folder is yet to be made, its nearest existing parent is checked.
            found = next(p for p in (place, *place.parents) if p.exists())
            if not found.is_dir():
                raise UsageError(f"{key}={folder}: {found} is a file", f"give {key} a folder")
            with tempfile.TemporaryFile(dir=found):
                pass
        except OSError as error:
            raise ResourceError(
                f"{key}={folder}: {error.strerror}", f"give {key} a folder you may write to"
            ) from error


def _refuse_evaluation(run: "Run") -> None:
    settings = run.recipe.evaluation
    if settings.choose and len(run.images.val) == 0:
        raise UsageError(
            "evaluation.choose=true, but there are no validation images to choose by",
            "give the data validation images, or set evaluation.choose=false",
        )
    largest = int(run.images.train.labels.bincount().max())
    is_real = run.recipe.distiller.get("points_per_class") is None
    sizes = dict.fromkeys(settings.images_per_class) if is_real else {}
    beyond = [n for n in sizes if n >= largest]
    if len(beyond) > 1:
        raise UsageError(
            f"evaluation.images_per_class={beyond}, but no class has more than {largest} images",
            "name only one of these sizes: the sets would be the same",
        )
    if settings.spread == "ray" and run.world.size > 1:
        raise UsageError(
            f"evaluation.spread=ray on {run.world.size} ranks would train everything several times",
            "start one process: trainer.devices=1",
        )


def _refuse_protocols(run: "Run") -> None:
    names = [s["name"] for s in run.recipe.students]
    ids: list[str] = []
    for block in run.recipe.protocols:
        protocol = run.make("protocol", block)
        ids.append(protocol.id)
        refuse_other_size(run, protocol)
        refuse_modality(protocol, run.images.modality)
        run.make("evaluator", protocol.evaluator)
        unknown = [n for n in block.get("lr_of", {}) if n not in names]
        if unknown:
            raise UsageError(
                f"protocol {protocol.id}: lr_of names {unknown[0]!r}, which is not a student here",
                f"the students are {', '.join(names)}",
            )
    if len(set(ids)) < len(ids):
        raise UsageError(f"protocols: {', '.join(ids)} are not all different", "name each once")


def refuse_set(run: "Run", training: "Training") -> None:
    """Refuse a set that the protocol cannot train on as it is."""
    synthetic, protocol, images = training.synthetic, training.protocol, run.images
    refuse_other_size(run, protocol)
    refuse_modality(protocol, images.modality)
    size = synthetic.images.shape[-1]
    if size != images.image_size and not protocol.any_size:
        raise UsageError(
            f"the set's images have {size} pixels, the real images have {images.image_size}",
            "set data.image_size, or let the protocol resize them: any_size=true",
        )
    _refuse_tiles(protocol, synthetic.hints)
    if protocol.pixels == "pil" and protocol.crop:
        _refuse_beyond_bytes(synthetic.images)
    if synthetic.images.shape[1] != images.channels:
        raise UsageError(
            f"the set's images have {synthetic.images.shape[1]} channels, the real images have "
            f"{images.channels}",
            "set data.channels, or convert the set",
        )


def refuse_tiles(run: "Run", hints: Mapping[str, Any]) -> None:
    """Refuse protocols that would not cut the tiles apart that a set will have."""
    for block in run.recipe.protocols:
        _refuse_tiles(run.make("protocol", block), hints)


def _refuse_tiles(protocol: "Protocol", hints: Mapping[str, Any]) -> None:
    tiles = hints.get("tiles", 1)
    if tiles > 1 and "tiles" not in protocol.uses_hints:
        raise UsageError(
            f"each image of the set is {tiles} x {tiles} smaller ones, which protocol "
            f"{protocol.id} would take for one image",
            "use a protocol that cuts them apart (protocol=dc_tiles, or yours with uses_hints: "
            "[tiles]), let whole pixels be learned (parameterization=pixels), or cut a set apart "
            f"before: synthetic.unfolded({tiles})",
        )


def _refuse_beyond_bytes(images: "Tensor") -> None:
    if not images.is_floating_point():
        return
    low, high = map(float, images.aminmax())
    if low < 0 or high > 1:
        raise UsageError(
            f"the set's values range from {low:.4g} to {high:.4g}; pixels=pil takes 8 bits only",
            "crop them without conversion: pixels=batched",
        )


def refuse_autoencoder(autoencoder: Block, images: "Images") -> None:
    """Refuse one of our autoencoders of images if the data are not images."""
    name = autoencoder["name"]
    if images.modality != "image" and name != "identity" and not is_code(name):
        raise UsageError(
            f"autoencoder {name} is for images, and the data's modality is {images.modality!r}",
            "use autoencoder=identity, or one of your own",
        )


def refuse_resizing(teacher: object, images: "Images") -> None:
    """Refuse a teacher of another size if the data are not images, and so cannot be resized."""
    size = getattr(teacher, "image_size", images.image_size)
    if images.modality != "image" and size != images.image_size:
        raise UsageError(
            f"the teacher takes {size} pixels, the data have {images.image_size}, and their "
            f"modality is {images.modality!r}",
            "train one on these data: teacher.source=pretrain",
        )


def refuse_other_size(run: "Run", protocol: "Protocol") -> None:
    """Refuse a protocol that trains at another size than that of the images."""
    if protocol.image_size not in (None, run.images.image_size):
        raise UsageError(
            f"protocol {protocol.id} trains at {protocol.image_size} pixels, "
            f"the images have {run.images.image_size}",
            f"set data.image_size={protocol.image_size}",
        )
