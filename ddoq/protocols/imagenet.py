"""Protocols for sets of ImageNet's size: SRe2L's, CDA's, RDED's, EDC's, RethinkDC's, Minimax's.

The values are those of the public code. If ours differs, `deviations` names the field, or describes
what no field can express.
"""

import dataclasses
from typing import Any

from ddoq.protocols.protocol import Protocol, Rule

# Deviations that all protocols derived from FKD share.
OF_FKD = (
    "evaluations=30: the sources measure after epochs 1, 11, ..., 291 and 300, ours at 31 even "
    "steps, most of them within an epoch; label_dtype=float32: they store labels in float16, and "
    "draw order, augmentation and labels once, with one seed for all runs; pixels=batched: crops "
    "are resized to within a gray level of Pillow"
)

FKD = Protocol(
    id="fkd",
    source="validation of SRe2L and D4M; DDOQ's UNet track",
    deviations="batches whole: the sources add up the gradients of two halves, whose batch "
    f"statistics are of at most 512 images; {OF_FKD}; D4M measures after every 50th epoch, the "
    "best of 7",
    labels="soft",
    loss="kl",
    temperature=20.0,
    epochs=300,
    batch_size=1024,
    optimizer="adamw",
    lr=1e-3,
    weight_decay=0.01,
    schedule="cosine",
    schedule_per="epoch",
    image_size=224,
    test_margin=True,
    crop=[0.08, 1.0],
    flip=True,
    mix="cutmix",
    mix_per="batch",
    reported="best",
    evaluations=30,
)

RETHINK = dataclasses.replace(
    FKD,
    id="rethinkdc_soft",
    source="RethinkDC, soft labels",
    deviations="pixels=batched: crops are resized to within a gray level of Pillow",
    batch_size=128,
    reported="last",
    evaluations=0,
)

RETHINK_HARD: dict[str, Any] = {"labels": "hard", "loss": "ce", "mix": "none", "temperature": 1.0}

# Learning rates in RDED's script for students other than its ResNets and ConvNets, by
# torchvision's and timm's names.
_RDED_RATES = {
    "vgg11": 5e-4,
    "efficientnet_b0": 2e-3,
    "mobilenet_v2": 2.5e-3,
    "mobilenetv2_100": 2.5e-3,
    "alexnet": 1e-4,
    "vit_b_16": 1e-4,
    "vit_base_patch16_224": 1e-4,
    "swin_v2_t": 1e-4,
    "swinv2_tiny_window8_256": 1e-4,
}

RDED = Protocol(
    id="rded",
    source="RDED; Minimax, MGD3, IGD and CaO2 on ImageNet-1K; DDOQ's DiT track (inferred)",
    deviations="second_forward=false: the source passes the mixed images of a step twice in "
    "training mode (its CutMix writes in place), which moves batch statistics twice; batches of "
    "other sizes than its 1, 10 and 50 images per class are those of the next smaller of them; "
    "batch_size=100, lr=0.001 hold for CIFAR-100's ConvNet too, which has 25 and 0.002 there; its "
    "ConvNets have batch norm: student={name: convnet, norm: batch}",
    labels="soft",
    loss="kl",
    temperature=20.0,
    epochs=300,
    batch_size=100,
    optimizer="adamw",
    lr=1e-3,
    lr_of={f"{f}/{n}": lr for n, lr in _RDED_RATES.items() for f in ("torchvision", "timm")},
    weight_decay=0.01,
    schedule="half_cosine",
    schedule_per="epoch",
    test_margin=True,
    patches=2,
    crop=[0.5, 1.0],
    flip=True,
    mix="cutmix",
    mix_per="batch",
    reported="best",
    evaluations=5,
    evaluate_after=0.8,
    rules=(
        Rule({"batch_size": 50}, images_per_class=(10, 49)),
        Rule({"batch_size": 10}, images_per_class=(0, 9)),
        Rule({"batch_size": 200}, images_per_class=(50, None), classes=(100, None)),
        Rule({"batch_size": 100}, images_per_class=(10, 49), classes=(100, None)),
        Rule({"batch_size": 20}, images_per_class=(0, 9), classes=(100, None)),
        # Tiny-ImageNet.
        Rule({"batch_size": 100}, classes=(200, 200), image_size=(64, 64)),
        # The source's factor is 1 for CIFAR and Tiny-ImageNet: images are not cut into pieces.
        Rule({"patches": 1, "crop": None}, image_size=(0, 64)),
    ),
)

EDC = Protocol(
    id="edc",
    source="EDC, ImageNet-1K, as shipped",
    deviations="one teacher unless the recipe names four: teacher={name: ensemble, "
    "teachers: [...]}; reported=ema, evaluations=0: the running mean at the end, where the "
    "source has the best of 11; label_dtype=float32: the source stores labels in float16, and "
    "draws order, augmentation and labels once, with one seed for all runs",
    labels="soft",
    loss="mse_ce",
    epochs=300,
    batch_size=100,
    optimizer="adamw",
    lr=1e-3,
    weight_decay=0.01,
    schedule="linear",
    schedule_per="epoch",
    last_factor=0.5,
    ema=0.99,
    image_size=224,
    test_margin=True,
    patches=2,
    crop=[0.5, 1.0],
    flip=True,
    mix="cutmix",
    mix_per="batch",
    reported="ema",
)

_MINIMAX_EPOCHS = {(0, 1): 3000, (2, 10): 2000, (11, 50): 1500, (51, 200): 1000, (201, 500): 500}
_MINIMAX_EPOCHS_100 = {
    **{(0, 1): 2000, (2, 10): 1300, (11, 50): 1000, (51, 200): 600, (201, 500): 300},
}

MINIMAX = Protocol(
    id="minimax_hard",
    source="Minimax Diffusion's training on subsets of ImageNet, hard labels",
    deviations="the rate falls up to one epoch later, where a third or sixth is no whole epoch; "
    "all sets of more than 500 images per class are trained and measured as the source does full "
    "data, for 300 epochs and after each: distilled ones of that size have 100 evaluations there "
    "and, at 100 classes, 200 epochs",
    labels="hard",
    loss="ce",
    epochs=300,
    batch_size=64,
    optimizer="sgd",
    lr=0.01,
    weight_decay=5e-4,
    decay_vectors=True,
    schedule="step",
    schedule_per="epoch",
    milestones=[2 / 3, 5 / 6],
    decay=0.2,
    image_size=224,
    crop=[0.5, 1.0],
    flip=True,
    jitter=0.4,
    lighting=0.1,
    mix="cutmix",
    mix_per="batch",
    reported="best",
    evaluations=99,
    rules=(
        *(Rule({"epochs": n}, images_per_class=size) for size, n in _MINIMAX_EPOCHS.items()),
        *(
            Rule({"epochs": n}, images_per_class=size, classes=(100, 100))
            for size, n in _MINIMAX_EPOCHS_100.items()
        ),
        Rule({"evaluations": 299}, images_per_class=(501, None)),
        Rule({"lr": 0.1, "weight_decay": 1e-4, "batch_size": 128}, classes=(101, None)),
    ),
)
