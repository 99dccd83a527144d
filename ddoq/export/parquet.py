"""Parquet with the Hub's metadata, so that `datasets.load_dataset` knows pictures and classes."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ddoq.export.exported import Exported, refuse_unseen
from ddoq.export.writer import Writer, png, shards
from ddoq.formats.layout import IMAGE, LABEL, SOFT_LABEL, WEIGHT

_ROWS_PER_GROUP = 100


def _schema(exported: Exported) -> pa.Schema:
    """Return the columns, with the features that the Hub's libraries read from the metadata."""
    double = exported.synthetic.weights.element_size() == 8
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    weight = pa.float64() if double else pa.float32()
    columns = [(IMAGE, picture), (LABEL, pa.int64()), (WEIGHT, weight)]
    features: dict[str, Any] = {
        IMAGE: {"_type": "Image"},
        LABEL: {"names": list(exported.usable_names), "_type": "ClassLabel"},
        WEIGHT: {"dtype": "float64" if double else "float32", "_type": "Value"},
    }
    if exported.soft_labels is not None:
        columns.append((SOFT_LABEL, pa.list_(pa.float32())))
        # Newer libraries call it a List, and read this name too; older ones know this name only.
        number = {"dtype": "float32", "_type": "Value"}
        features[SOFT_LABEL] = {"feature": number, "_type": "Sequence"}
    hub = json.dumps({"info": {"features": features}})
    return pa.schema(columns, metadata={"huggingface": hub})


def _row(exported: Exported, index: int) -> dict[str, Any]:
    synthetic, soft = exported.synthetic, exported.soft_labels
    row = {
        IMAGE: {"bytes": png(synthetic.images[index]), "path": f"{index:06}.png"},
        LABEL: int(synthetic.labels[index]),
        WEIGHT: float(synthetic.weights[index]),
    }
    return row if soft is None else {**row, SOFT_LABEL: soft[index].tolist()}


def write(exported: Exported, folder: Path) -> None:
    """Write `data/train-00000.parquet`, and further files if there are many images."""
    refuse_unseen(exported.synthetic, "Parquet")
    (folder / "data").mkdir()
    schema = _schema(exported)
    for number, ids in enumerate(shards(exported.synthetic.images)):
        with pq.ParquetWriter(folder / "data" / f"train-{number:05}.parquet", schema) as stream:
            for start in range(0, len(ids), _ROWS_PER_GROUP):
                group = [_row(exported, i) for i in ids[start : start + _ROWS_PER_GROUP]]
                stream.write_table(pa.Table.from_pylist(group, schema))


WRITER = Writer(
    write=write,
    holds_floats=False,
    data_files="data/*.parquet",
    loading="""\
from datasets import load_dataset

data = load_dataset("FOLDER", split="train").with_format("torch")
image, label, weight = (data[0][name] for name in ("image", "label", "weight"))
""",
    reading="""\
def read():
    rows = pq.read_table(HERE / "data").to_pydict()
    images = torch.stack([opened(io.BytesIO(image["bytes"])) for image in rows["image"]])
    labels, weights = torch.tensor(rows["label"]), torch.tensor(rows["weight"])
{% if soft %}
    return images, labels, weights, torch.tensor(rows["soft_label"])
{% else %}
    return images, labels, weights, None
{% endif %}
""",
)
