"""The table of formats that can be written."""

from ddoq.export import imagefolder, parquet, tensors, webdataset
from ddoq.export.writer import Writer

WRITERS: dict[str, Writer] = {
    "imagefolder": imagefolder.WRITER,
    "parquet": parquet.WRITER,
    "webdataset": webdataset.WRITER,
    "safetensors": tensors.SAFETENSORS,
    "torch": tensors.TORCH,
}
