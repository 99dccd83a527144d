"""Torch's own files of weights, which are pickles: read without running the code they may hold."""

import argparse
import codecs
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddoq.errors import IntegrityError

_SIGNS = (
    *(RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError),
    pickle.UnpicklingError,
)
# What makes a number of numpy's from its bytes, under whichever name numpy has it.
_SCALAR: Any = np.float64(0).__reduce__()[0]
# Plain data that programs keep beside the weights: their command line, and numbers of numpy's.
_PLAIN: list[Any] = [
    argparse.Namespace,
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")),
    (codecs.encode, "_codecs.encode"),
]
# So torch names what it refuses.
_CODE = re.compile(r"GLOBAL ([\w.]+)")


def read_pickle(file: Path) -> Any:
    """Read what a torch file holds: tensors in plain containers. Its code is never run."""
    try:
        with torch.serialization.safe_globals(_PLAIN), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(
                file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file)
            )
    except _SIGNS as error:
        code = _CODE.search(str(error))
        said = str(error).partition("\n")[0][:80] or type(error).__name__
        cause = f": code, {code[1]}" if code else f", or is damaged: {said}"
        raise IntegrityError(
            f"{file} holds more than weights{cause}",
            "none of its code was run; give safetensors, or a file that torch.save made of "
            "model.state_dict() alone",
        ) from error
