"""WebDataset: tar files in which a sample is `00000.png` (or `.npy`), `00000.cls`, `00000.json`."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ddoq.export.exported import PICTURE_MODES, Exported
from ddoq.export.writer import Writer, png, shards
from ddoq.formats.layout import SOFT_LABEL, WEIGHT


def are_pictures(images: Tensor) -> bool:
    """Say whether images are written as pictures. Others are arrays."""
    return images.dtype == torch.uint8 and images.shape[1] in PICTURE_MODES


def write(exported: Exported, folder: Path) -> None:
    """Write `train-00000.tar`, and further files if there are many images."""
    for number, ids in enumerate(shards(exported.synthetic.images)):
        with tarfile.open(folder / f"train-{number:05}.tar", "w") as archive:
            for index in ids:
                for kind, content in _sample(exported, index).items():
                    # Without times and owners the same set gives the same bytes.
                    entry = tarfile.TarInfo(f"{index:06}.{kind}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))


def _sample(exported: Exported, index: int) -> dict[str, bytes]:
    synthetic, soft = exported.synthetic, exported.soft_labels
    image = synthetic.images[index]
    said = {WEIGHT: float(synthetic.weights[index])}
    told = said if soft is None else {**said, SOFT_LABEL: soft[index].tolist()}
    is_picture = are_pictures(synthetic.images)
    return {
        "png" if is_picture else "npy": png(image) if is_picture else _npy(image),
        "cls": str(int(synthetic.labels[index])).encode(),
        "json": json.dumps(told, allow_nan=False).encode(),
    }


def _npy(image: Tensor) -> bytes:
    stream = io.BytesIO()
    np.save(stream, image.contiguous().numpy(), allow_pickle=False)
    return stream.getvalue()


WRITER = Writer(
    write=write,
    data_files="*.tar",
    loading="""\
import glob, webdataset

data = webdataset.WebDataset(sorted(glob.glob("FOLDER/*.tar")), shardshuffle=False)
image, label, more = next(iter(data.decode("torchrgb").to_tuple("png;npy", "cls", "json")))
""",
    reading="""\
def read():
    found = {"png": [], "npy": [], "cls": [], "json": []}
    for file in sorted(HERE.glob("*.tar")):
        with tarfile.open(file) as archive:
            for entry in archive:
                content = archive.extractfile(entry).read()
                found[entry.name.partition(".")[2]].append(content)
{% if pictures %}
    images = torch.stack([opened(io.BytesIO(one)) for one in found["png"]])
{% else %}
    arrays = [np.load(io.BytesIO(one)) for one in found["npy"]]
    arrays = [one / 255 if one.dtype == "uint8" else one for one in arrays]
    images = torch.stack([torch.from_numpy(one).float() for one in arrays])
{% endif %}
    labels = torch.tensor([int(one) for one in found["cls"]])
    more = [json.loads(one) for one in found["json"]]
    weights = torch.tensor([one["weight"] for one in more])
{% if soft %}
    return images, labels, weights, torch.tensor([one["soft_label"] for one in more])
{% else %}
    return images, labels, weights, None
{% endif %}
""",
)
