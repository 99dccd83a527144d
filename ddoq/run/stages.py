"""Which version of the code made a stage? Part of its key, with those it stands on."""

from collections.abc import Mapping
from typing import Any

# Raise a stage's number when a change of its code changes its result.
STAGE_VERSIONS = {
    "pixels": 1,
    "pretrain": 3,
    "latents": 1,
    "study": 3,
    "quantization": 4,
    "certificates": 3,
    "decoded": 2,
    "labels": 3,
    "cell": 5,
}

# Keys hold the settings of what a stage is made from; the version of its code stands here.
_UPSTREAM = {
    "latents": ("pretrain",),
    "study": ("pretrain", "latents"),
    "quantization": ("pretrain", "latents", "study"),
    "certificates": ("pretrain", "latents", "study", "quantization"),
    "decoded": ("pretrain", "latents", "study", "quantization"),
}


def versioned(name: str, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage's key with the versions of its code and of what it is made from.

    A plug-in's stage has no version: the hash of its code is in the key of the component.
    """
    stage = name.split("/")[0]
    made_from = (*_UPSTREAM.get(stage, ()), stage)
    return {"version": [STAGE_VERSIONS.get(s, 0) for s in made_from], **key}
