"""One folder of pictures per class, with `weights.csv`, and soft labels in a safetensors file."""

import csv
import re
from pathlib import Path

from ddoq.export.exported import Exported, refuse_unseen
from ddoq.export.writer import Writer, png
from ddoq.files.tensors import write_tensors
from ddoq.formats.layout import SOFT_LABELS, SOFT_LABELS_FILE, WEIGHT, WEIGHTS_FILE

# What every file system takes, told apart without upper and lower case.
_PLAIN = re.compile(r"[\w-][\w .+-]{0,99}(?<![ .])", re.ASCII)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folders(class_ids: tuple[str, ...]) -> list[str]:
    """Return a folder for each class, sorted, as its readers number classes by sorted folders.

    They are the classes' ids or, if these are not sorted or cannot be folders, numbers.

    >>> folders(("n01440764", "n01443537")), folders(("b", "a")), folders(("1", "0"))
    (['n01440764', 'n01443537'], ['0', '1'], ['00', '01'])
    """
    is_plain = all(_PLAIN.fullmatch(c) and not _RESERVED.fullmatch(c) for c in class_ids)
    is_sorted = list(class_ids) == sorted(class_ids)
    if is_plain and is_sorted and len({c.lower() for c in class_ids}) == len(class_ids):
        return list(class_ids)
    digits = len(str(len(class_ids) - 1))
    while True:
        numbers = [f"{number:0{digits}}" for number in range(len(class_ids))]
        # The number of one class must not be the id of another.
        if not set(numbers) & set(class_ids):
            return numbers
        digits += 1


def write(exported: Exported, folder: Path) -> None:
    """Write the pictures, in the set's order within each class."""
    synthetic = exported.synthetic
    refuse_unseen(synthetic, "an ImageFolder")
    names, counts = folders(synthetic.class_ids), [0] * synthetic.num_classes
    for name in names:
        (folder / name).mkdir()
    with (folder / WEIGHTS_FILE).open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", WEIGHT])
        for image, label, weight in zip(
            synthetic.images, synthetic.labels.tolist(), synthetic.weights.tolist(), strict=True
        ):
            file = f"{names[label]}/{counts[label]:05}.png"
            counts[label] += 1
            (folder / file).write_bytes(png(image))
            rows.writerow([file, repr(weight)])
    if exported.soft_labels is not None:
        write_tensors(folder / SOFT_LABELS_FILE, {SOFT_LABELS: exported.soft_labels})


WRITER = Writer(
    write=write,
    holds_floats=False,
    data_files="*/*.png",
    loading="""\
from torchvision.datasets import ImageFolder

data = ImageFolder("FOLDER")  # (picture, number of its class in about.json)
image, label = data[0]
""",
    reading="""\
def read():
    with open(HERE / "weights.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    images = torch.stack([opened(HERE / row["file"]) for row in rows])
    folders = [row["file"].split("/")[0] for row in rows]
{% if numbered %}
    labels = torch.tensor([int(folder) for folder in folders])
{% else %}
    labels = torch.tensor([ABOUT["class_ids"].index(folder) for folder in folders])
{% endif %}
    weights = torch.tensor([float(row["weight"]) for row in rows])
{% if soft %}
    return images, labels, weights, load_file(HERE / "soft_labels.safetensors")["soft_labels"]
{% else %}
    return images, labels, weights, None
{% endif %}
""",
)
