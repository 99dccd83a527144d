"""Read exports with plain libraries, for a process in which ddoq cannot be imported.

python plain.py FOLDER_OF_EXPORTS OUT.pt
"""

import csv
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.datasets import ImageFolder


def pixels(picture: Image.Image) -> torch.Tensor:
    array = torch.from_numpy(np.array(picture))
    return array[None] if array.ndim == 2 else array.permute(2, 0, 1)


def imagefolder(folder: Path) -> dict:
    with (folder / "weights.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    data = ImageFolder(str(folder), loader=lambda file: pixels(Image.open(file)))
    number = {Path(file).relative_to(folder).as_posix(): i for i, (file, _) in enumerate(data.imgs)}
    found = [data[number[row["file"]]] for row in rows]
    return {
        "images": torch.stack([image for image, _ in found]),
        "labels": torch.tensor([label for _, label in found]),
        "weights": torch.tensor([float(row["weight"]) for row in rows], dtype=torch.float64),
        "soft_labels": load_file(folder / "soft_labels.safetensors")["soft_labels"],
    }


def parquet(folder: Path) -> dict:
    rows = pq.read_table(folder / "data").to_pydict()
    pictures = [Image.open(io.BytesIO(image["bytes"])) for image in rows["image"]]
    return {
        "images": torch.stack([pixels(picture) for picture in pictures]),
        "labels": torch.tensor(rows["label"]),
        "weights": torch.tensor(rows["weight"], dtype=torch.float64),
        "soft_labels": torch.tensor(rows["soft_label"]),
    }


def webdataset(folder: Path) -> dict:
    found: dict[str, list] = {"png": [], "npy": [], "cls": [], "json": []}
    with tarfile.open(folder / "train-00000.tar") as archive:
        for entry in archive:
            found[entry.name.partition(".")[2]].append(archive.extractfile(entry).read())
    told = [json.loads(one) for one in found["json"]]
    arrays = [torch.from_numpy(np.load(io.BytesIO(one))) for one in found["npy"]]
    pictures = [pixels(Image.open(io.BytesIO(one))) for one in found["png"]]
    return {
        "images": torch.stack(pictures or arrays),
        "labels": torch.tensor([int(one) for one in found["cls"]]),
        "weights": torch.tensor([one["weight"] for one in told], dtype=torch.float64),
        "soft_labels": torch.tensor([one["soft_label"] for one in told]),
    }


READERS = {
    "imagefolder": imagefolder,
    "parquet": parquet,
    "webdataset": webdataset,
    "safetensors": lambda folder: load_file(folder / "data.safetensors"),
    "torch": lambda folder: torch.load(folder / "data.pt", weights_only=True),
}

if __name__ == "__main__":
    exports, out = Path(sys.argv[1]), sys.argv[2]
    torch.save({f.name: READERS[f.name](f) for f in exports.iterdir()}, out)
