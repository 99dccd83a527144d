"""A set that somebody else made, or another run, read from its files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ddoq.data.images import Images
from ddoq.data.whitening import WHITENING, whitening_key
from ddoq.distillers.distiller import Distiller
from ddoq.errors import DataError, NotMade, UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.stage import Stage
from ddoq.formats.copies import COPY, copies
from ddoq.formats.fitting import fitted
from ddoq.formats.named import Data
from ddoq.formats.reading import name_of
from ddoq.formats.told import Told
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_COPIES = Stage("copies", 2)
# The most images that a refusal names.
_LISTED = 10


class Given(Distiller):
    """Read a set in any format (docs/score.md), and fit it to the run's data.

    Args:
        path: Its file or folder.
        title: The name of its row, by default that of the file or folder.
        images_per_class: How many it must have, as the other rows of its table.
        budget: How many it has in all, if a budget was spread over its classes.
    """

    redraws = "never"

    def __init__(
        self,
        *,
        path: str,
        title: str = "",
        images_per_class: int | None = None,
        budget: int | None = None,
        normalized: str | list[float] | dict[str, Any] | None = None,
        targets: str | None = None,
        weights: str | None = None,
        lr: float | str | None = None,
        classes: Literal["ids", "names", "order"] | None = None,
        first_label: Literal[0, 1] | None = None,
        entry: int | None = None,
        resize: bool = False,
        unusual: bool = False,
        allow_test_images: bool = False,
    ) -> None:
        self._path, self.title = Path(path), title or name_of(Path(path))
        self.size = Size(images_per_class, budget)
        self._told = Told(
            normalized=normalized,
            targets=targets,
            weights=weights,
            lr=lr,
            classes=classes,
            first_label=first_label,
            entry=entry,
            resize=resize,
            unusual=unusual,
            allow_test_images=allow_test_images,
        )
        self._read: tuple[str, SyntheticSet] | None = None

    def files(self) -> list[Path]:
        """Return the set's own file or folder."""
        return [self._path]

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the set, which is the same for every seed."""
        if self._read is None or self._read[0] != images.fingerprint:
            found = given_set(run, self._path, self._told, self.title)
            asked = self.size.per_class
            is_other = asked is not None and found.images_per_class != asked
            if is_other or self.size.budget not in (None, len(found)):
                raise UsageError(
                    f"{self._path}: it has {len(found)} images, {found.images_per_class} of the "
                    f"largest class, and not {asked or self.size.budget}"
                    f"{' per class' if asked else ''}",
                    "compare it with rows of its own size: python -m ddoq.score SET; what begins "
                    "with it learns as many images, and 2 x 2 tiles begin with four for each",
                )
            self._read = images.fingerprint, found
        return self._read[1]


def given_set(run: "Run", path: Path, told: Told, name: str = "") -> SyntheticSet:
    """Return a set from its files, fitted to a run's data. Copies of test images are refused."""
    data = Data(run.images, lambda: _whitening(run), lambda: _known_whitening(run))
    found = fitted(path, told, data, name)
    if run.images.modality != "image":
        return found
    of_measured, of_training = _copied(run, found, path, told)
    remarks = [found.provenance["read"], f"{of_training} training images" if of_training else ""]
    split = run.recipe.evaluation.split.upper()
    told_in_table = f"{of_measured} {split} IMAGES IN IT" if of_measured else ""
    own = {"read": ", ".join(filter(None, remarks)), "remark": told_in_table}
    return replace(found, provenance={**found.provenance, **own})


def refuse_copies(run: "Run", found: SyntheticSet) -> None:
    """Refuse a set in memory that holds copies of the images that it would be measured on."""
    if found.images.shape[1:] == (run.images.channels, *2 * (run.images.image_size,)):
        _copied(run, found, Path("the set"), Told())


def _whitening(run: "Run") -> Any:
    """Return the data's whitening. A plan does not make it."""
    if not run.makes and not run.is_done(WHITENING, whitening_key(run)):
        raise NotMade
    return run.whitening


def _known_whitening(run: "Run") -> Any:
    return run.whitening if run.is_done(WHITENING, whitening_key(run)) else None


def _copied(run: "Run", found: SyntheticSet, path: Path, told: Told) -> tuple[int, int]:
    """Return how many images are copies of measured ones, which are refused, and of training ones.

    A plan does not look for them.
    """
    split = run.recipe.evaluation.split
    tiles = found.hints.get("tiles", 1)
    key = {"set": found.content, "images": run.images.fingerprint, "split": split, "tiles": tiles}
    if not run.makes and not run.is_done(_COPIES, key):
        return 0, 0

    def work(folder: Path) -> None:
        if run.world.is_first:
            looked = copies(found.images, run.images, split, tiles)
            write_json(folder / "copies.json", vars(looked))

    told_of = read_json(run.stage(_COPIES, key, work) / "copies.json")
    number = len(told_of["of_measured"])
    if number and not told.allow_test_images:
        raise DataError(
            f"{path}: {number} of its {len(found)} images are copies of {split} images (within "
            f"{COPY:g} gray levels){', or have one as a tile' if tiles > 1 else ''}: number "
            f"{_listed(told_of['of_measured'])}, from 0 on",
            "a set must not hold what it is measured on: leave these images out, or go on with a "
            "remark in the table: allow_test_images=true",
        )
    return number, told_of["num_of_training"] or 0


def _listed(numbers: Sequence[int]) -> str:
    """Return the first numbers as text."""
    rest = ", ..." if len(numbers) > _LISTED else ""
    return ", ".join(map(str, numbers[:_LISTED])) + rest
