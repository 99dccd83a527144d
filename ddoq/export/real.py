"""The real test images of a run as pictures, a folder for each class, for an export's script."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from ddoq.data.images import Images
from ddoq.data.preprocessing import with_margin
from ddoq.display.console import Console
from ddoq.errors import DataError
from ddoq.export.exported import PICTURE_MODES
from ddoq.export.run_folder import RunFolder
from ddoq.export.supplied import Supplied
from ddoq.export.writer import png
from ddoq.synthetic import SyntheticSet

KIND = "test pictures"
_AT_ONCE = 256
_UNABLE = re.compile(r'[\\/:*?"<>|\x00-\x1f]|^[.~]|[. ]$|^$')
_WITHOUT = "leave test_pictures= away, and give train.py pictures of your own"


@dataclass(frozen=True)
class RealPictures:
    """The test images of a run, as they will be written."""

    images: Images
    size: int
    """The side of a picture: what the script asks for before it cuts out the center."""
    folders: tuple[str, ...]
    """A folder for each class of the images."""

    def __len__(self) -> int:
        return len(self.images.test)

    def write(self, work: Path, console: Console) -> None:
        """Write `CLASS/00000.png` and so on, a few at a time."""
        counts = [0] * len(self.folders)
        with console.stage("write test pictures", len(self)) as bar:
            for indices in torch.arange(len(self)).split(_AT_ONCE):
                labels = self.images.test.labels[indices].tolist()
                pixels = self.images.test.read(indices, self.size)
                for image, label in zip(pixels, labels, strict=True):
                    file = work / self.folders[label] / f"{counts[label]:05}.png"
                    counts[label] += 1
                    file.parent.mkdir(exist_ok=True)
                    file.write_bytes(png(image, optimize=False))
                bar.advance(len(indices))


def real_pictures(origin: RunFolder, supplied: Supplied, synthetic: SyntheticSet) -> RealPictures:
    """Return the test pictures of a run, or refuse with what they lack."""
    images = _opened(origin, supplied)
    if images.modality != "image" or images.channels not in PICTURE_MODES:
        raise DataError("the run's data are no pictures of one or three channels", _WITHOUT)
    if sorted(images.class_ids) != sorted(synthetic.class_ids):
        raise DataError("the run's data no longer have the classes of the set", _WITHOUT)
    has_margin = bool(supplied.protocols) and supplied.protocols[0].test_margin
    size = with_margin(images.image_size) if has_margin else images.image_size
    # The set's names are those that the script knows.
    names = dict(zip(synthetic.class_ids, synthetic.class_names, strict=True))
    called = class_folders(images.class_ids, tuple(names[c] for c in images.class_ids))
    return RealPictures(images, size, called)


def _opened(origin: RunFolder, supplied: Supplied) -> Images:
    if supplied.images is not None:
        return supplied.images
    if origin.recipe_file is None:
        raise DataError(
            "a set alone does not say where its test images are",
            "give the folder of the run that made it, or " + _WITHOUT,
        )
    if supplied.recipe is None:
        error = supplied.errors[0]
        raise DataError(
            f"the run's test images cannot be opened: {error.cause}",
            f"{error.remedy}, or {_WITHOUT}",
        )
    why = next(iter(supplied.remarks.values()))
    root = (origin.recipe.get("data") or {}).get("root")
    place = Path(root).expanduser().resolve() if root else None
    where = f" in {place}" if place and str(place) not in why else ""
    raise DataError(
        f"the run's test images cannot be opened{where}: {why}",
        f"{'put them there' if root else 'bring the data of the run'}, or {_WITHOUT}",
    )


def class_folders(ids: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return folders by which the script tells classes: their names if it can, else their ids.

    >>> class_folders(("n1", "n2"), ("cat", "dog")), class_folders(("n1", "n2"), ("cat", "cat"))
    (('cat', 'dog'), ('n1', 'n2'))
    """
    # Folders that are ids of classes are read as ids.
    is_clear = names == ids or not set(names) & set(ids)
    for called in (names, ids) if is_clear else (ids,):
        is_able = not any(_UNABLE.search(c) for c in called)
        if is_able and len({c.lower() for c in called}) == len(called):
            return called
    wrong = next((c for c in ids if _UNABLE.search(c)), ids[0])
    raise DataError(
        f"class {wrong!r} cannot be the name of a folder, nor can all names of classes be", _WITHOUT
    )
