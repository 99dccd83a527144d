"""Parquet files with encoded pictures and labels, as the Hub keeps image data sets."""

import bisect
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.data.parquet_shards import PictureShard, shard_files, shard_of
from ddoq.data.pictures import NORMALIZATION, REDUCED_TO, Fit, pictures
from ddoq.data.source import Split
from ddoq.data.survey import divided, natural_order, stamp, survey
from ddoq.errors import DataError
from ddoq.files.artifacts import fingerprint, versions


class Parquet:
    """Pictures in Parquet files: a folder of shards, or one file that is split by seed.

    The last of the words train, val and test in a shard's path gives its split. `training`,
    `valid`, `validation` and `testing` count too. It must be a separate word, as in
    `train-latest`. Shards are joined in the order of their names. Files without such a word are
    ignored. A missing split is carved out of train, class by class, by seed. But val without test
    is the test split, and only a new val is carved. All encoded bytes stay in memory.

    Pictures are bytes, or the Hub's struct of `bytes` and `path`. Integer labels get their names
    from the files' metadata: `classes`, separated by commas, or the Hub's own. Without metadata,
    and for labels that are strings, the classes are the labels of train in natural order.

    Args:
        root: The folder or the file.
        fit: Scale the short side and cut out the center, or squash both sides.
        channels: 1 for gray, 3 for color.
        image: The column of pictures; image or img if None.
        label: The column of labels; label, labels or fine_label if None.
        test_share: The share of each class for test, if there is neither test nor val.
        val_share: The share of each class of the remaining train for val, if val is missing or is
        the test split.
        on_bad: Whether an unreadable picture is an error or is left out with a warning.
    """

    def __init__(
        self,
        *,
        root: str,
        image_size: int = 32,
        fit: Literal["crop", "squash"] = "crop",
        channels: Literal[1, 3] = 3,
        image: str | None = None,
        label: str | None = None,
        test_share: float = 0.2,
        val_share: float = 0.1,
        split_seed: int = 0,
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        rows = PictureRows(
            [shard_of(*f, image, label) for f in shard_files(Path(root).expanduser())]
        )
        self.class_names, labels = classes_of(rows)
        is_unique = len(set(self.class_names)) == len(self.class_names)
        numbers = tuple(str(i) for i in range(len(self.class_names)))
        self.class_ids = self.class_names if is_unique else numbers
        names = [rows.name(i) for i in range(len(labels))]
        seen = survey(rows.load, names, rows.stamps(), on_bad=on_bad, where=root)
        shares = {"test_share": test_share, "val_share": val_share}
        pictures = rows.split(labels, channels, fit)
        self.train, self.val, self.test = divided(
            pictures, rows.parts(), seen.kept, self.class_ids, **shares, seed=split_seed, where=root
        )
        self.channels, self.image_size = channels, image_size
        self.mean, self.std = NORMALIZATION[channels]
        self.skipped = seen.skipped
        self.fingerprint = fingerprint(
            {
                "source": "parquet",
                "content": [seen.content, labels[seen.kept].tolist()],
                "classes": self.class_names,
                "pixels": [image_size, fit, channels, REDUCED_TO, versions("Pillow")],
                "split": [test_share, val_share, split_seed],
            }
        )


@dataclass(frozen=True)
class PictureRows:
    """The rows of all shards, one after the other."""

    shards: list[PictureShard]

    @functools.cached_property
    def _starts(self) -> list[int]:
        ends = torch.tensor([0] + [len(shard.labels) for shard in self.shards]).cumsum(0)
        return ends[:-1].tolist()

    def _at(self, index: int) -> tuple[PictureShard, int]:
        number = bisect.bisect_right(self._starts, index) - 1
        return self.shards[number], index - self._starts[number]

    def load(self, index: int) -> bytes:
        """Return the bytes of a picture file."""
        shard, row = self._at(index)
        return shard.images[row].as_py() or b""

    def name(self, index: int) -> str:
        """Return the place of a row in words."""
        shard, row = self._at(index)
        return f"{shard.name}: row {row} of column {shard.column!r}"

    def label_values(self) -> list[int | str | None]:
        """Return the labels as the files have them."""
        return [value for shard in self.shards for value in shard.labels.to_pylist()]

    def parts(self) -> list[str]:
        """Return the split of each row."""
        return [shard.part for shard in self.shards for _ in range(len(shard.labels))]

    def stamps(self) -> list[Any]:
        """Return data that change with the files."""
        files = [(shard.file, shard.column) for shard in self.shards]
        return [[str(file.resolve()), column, stamp(str(file))] for file, column in files]

    def split(self, labels: Int[Tensor, " n"], channels: int, fit: Fit) -> Split:
        """Return all rows as a split."""
        return Split(
            labels,
            lambda i, size: pictures(self.load, self.name, i, size, channels=channels, fit=fit),
            self.name,
        )


def classes_of(rows: PictureRows) -> tuple[tuple[str, ...], Int[Tensor, " n"]]:
    """Return the class names and the label of every row."""
    values, names = rows.label_values(), rows.shards[0].class_names
    for shard in rows.shards:
        if shard.class_names != rows.shards[0].class_names:
            raise DataError(
                f"{shard.file}: its metadata has other class names than {rows.shards[0].name}",
                "write the same metadata into all files",
            )
    if names is None:
        of_train = zip(values, rows.parts(), strict=True)
        names = natural_order(list({str(v) for v, part in of_train if part == "train"}))
        known = {name: label for label, name in enumerate(names)}
    else:
        known = {str(label): label for label in range(len(names))}
    for row, value in enumerate(values):
        if value is None or str(value) not in known:
            raise DataError(
                f"{rows.name(row)}: its label {value!r} is none of the {len(names)} classes",
                "correct or remove the row; labels count from 0, and all must occur in train",
            )
    return tuple(names), torch.tensor([known[str(v)] for v in values], dtype=torch.int64)
