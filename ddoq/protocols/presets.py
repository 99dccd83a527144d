"""The protocols of the field, and a small one. A number must name its protocol to be compared.

Those for sets of ImageNet's size are in `imagenet.py`. DC's are those of its public code. If
ours differs, `deviations` names the field, or describes what no field can express.
"""

import dataclasses
from typing import Any

from ddoq.protocols.imagenet import EDC, FKD, MINIMAX, OF_FKD, RDED, RETHINK, RETHINK_HARD
from ddoq.protocols.protocol import Protocol

_SMALL = Protocol(
    id="small",
    source="ddoq: a fixed number of updates, for small images and small networks",
    labels="soft",
    loss="soft_ce",
    steps=200,
    batch_size=64,
    optimizer="adamw",
    lr=2e-3,
    weight_decay=0.01,
    schedule="cosine",
    warmup=0.1,
    crop=[0.5, 1.0],
)

_DC = Protocol(
    id="dc",
    source="DC, DM and MTT: ConvNet-D3 of width 128 on small images, with DSA's augmentation",
    deviations="the momentum is kept where the rate falls, the source begins a new optimizer; "
    "its ResNets have instance norm as its ConvNet does: student={name: resnet, norm: instance}",
    labels="hard",
    loss="ce",
    # The source counts epochs from 0 to 1000, and lowers the rate after number 501.
    epochs=1001,
    batch_size=256,
    optimizer="sgd",
    lr=0.01,
    weight_decay=5e-4,
    decay_vectors=True,
    schedule="step",
    schedule_per="epoch",
    milestones=[502 / 1001],
    decay=0.1,
    dsa="color_crop_cutout_flip_scale_rotate",
)

_MTT = dataclasses.replace(
    _DC,
    id="mtt",
    source="MTT, FTD and TESLA: as DC, with the learning rate that was learned with the set",
    uses_hints=["lr"],
)

PRESETS: dict[str, Protocol] = {
    p.id: p
    for p in (
        _SMALL,
        dataclasses.replace(_SMALL, id="small_hard", labels="hard", loss="ce"),
        FKD,
        dataclasses.replace(
            FKD, id="fkd128", source="CDA and LPLD", deviations=OF_FKD, batch_size=128
        ),
        RDED,
        EDC,
        RETHINK,
        dataclasses.replace(
            RETHINK, id="rethinkdc_hard", source="RethinkDC, hard labels", **RETHINK_HARD
        ),
        MINIMAX,
        _DC,
        dataclasses.replace(
            _DC,
            id="dc_tiles",
            source="IDM and M3D: as DC, with the images of a set cut into their tiles",
            uses_hints=["tiles"],
        ),
        _MTT,
        dataclasses.replace(
            _MTT,
            id="mtt_zca",
            source="MTT, FTD and TESLA on CIFAR's whitened images",
            whiten="zca",
        ),
    )
}


def preset(name: str, **changes: Any) -> Protocol:
    """Return a named preset. Any change becomes part of its id."""
    return PRESETS[name].change(**changes)
