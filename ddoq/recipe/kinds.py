"""The kinds of component, and the parameters that the program supplies to each."""

from ddoq.protocols.presets import PRESETS
from ddoq.recipe.component import Kind
from ddoq.recipe.tables import (
    AUTOENCODERS,
    DECODERS,
    DISTILLERS,
    EVALUATORS,
    GUIDES,
    IMAGES,
    NETS,
    OBJECTIVES,
    PARAMETERIZATIONS,
    PRIORS,
    PROTOCOLS,
    SAMPLERS,
    SET_OBJECTIVES,
    SOLVERS,
    STUDENTS,
    TEACHERS,
    USUAL_DECODERS,
    VIEWPOINTS,
    WEIGHTINGS,
)

KINDS: dict[str, Kind] = {
    "data": Kind(
        IMAGES,
        offers=(
            *("train", "val", "test", "class_names", "class_ids", "channels", "image_size"),
            *("mean", "std", "fingerprint"),
        ),
    ),
    "autoencoder": Kind(
        AUTOENCODERS,
        offers=(
            *("encode", "decode", "latent_shape", "scale", "shift", "dtype", "samples"),
            *("image_size", "to", "eval"),
        ),
    ),
    "prior": Kind(
        PRIORS, offers=("schedule", "space", "shape", "device", "conditions", "output", "to")
    ),
    "net": Kind(
        NETS,
        supplies=("shape", "num_classes"),
        offers=("model", "part", "null_label", "objective", "label_dropout", "memory_format"),
    ),
    "objective": Kind(OBJECTIVES, offers=("learns", "schedule", "losses")),
    "distiller": Kind(DISTILLERS, supplies=("decoder", "weighting"), offers=("distill",)),
    # Named `objective` in the block of a distiller.
    "set_objective": Kind(SET_OBJECTIVES, offers=("loss",)),
    "viewpoint": Kind(
        VIEWPOINTS, supplies=("network", "seed", "num_steps"), offers=("at", "advance")
    ),
    "parameterization": Kind(
        PARAMETERIZATIONS,
        supplies=("preprocessing", "image_size"),
        offers=("views", "hints", "begin", "decode", "settle", "finish"),
    ),
    "sampler": Kind(SAMPLERS, supplies=("num_images",), offers=("draw", "renew")),
    "solver": Kind(SOLVERS, offers=("__call__",)),
    "decoder": Kind(
        DECODERS,
        supplies=("autoencoder", "prior", "teacher", "images", "latents", "make", "seed"),
        usual=USUAL_DECODERS,
        offers=("block", "decode"),
    ),
    "guide": Kind(GUIDES, offers=("guides_classes", "__call__")),
    "weighting": Kind(WEIGHTINGS, supplies=("masses", "labels", "priors"), offers=("isfinite",)),
    "teacher": Kind(
        TEACHERS,
        supplies=("num_classes", "channels", "image_size", "images", "make", "model"),
        offers=("for_classes", "forward", "parameters", "to"),
    ),
    "student": Kind(
        STUDENTS,
        supplies=("num_classes", "channels", "image_size", "model"),
        offers=("forward", "parameters"),
    ),
    "protocol": Kind(
        PROTOCOLS,
        supplies=("id", "source", "deviations", "rules", "origin"),
        presets=PRESETS,
        offers=("id", "key", "on"),
    ),
    "evaluator": Kind(EVALUATORS, offers=("measure",)),
}

# Libraries that a component's result depends on, besides those of all stages.
LIBRARIES = {
    ("solver", "d4m"): ("scikit-learn",),
    ("solver", "faiss"): ("faiss",),
    ("prior", "stable_diffusion"): ("transformers",),
    ("prior", "sdxl"): ("transformers",),
}

# What `pretrain` makes, in this order: an autoencoder may learn from the teacher's features, and
# the teacher judges the prior's samples. The fields of a class are the block's schema. Its method
# `train` does the work.
PRETRAINERS = {
    "teacher": "ddoq.teachers.pretrain:TeacherPretraining",
    "autoencoder": "ddoq.autoencoders.pretrain:AutoencoderPretraining",
    "prior": "ddoq.priors.pretrain:PriorPretraining",
}

# A recipe has one block of each SINGLE kind, and a list of each PLURAL kind.
SINGLE = ("data", "autoencoder", "prior", "distiller", "decoder", "weighting", "teacher")
PLURAL = {"students": "student", "protocols": "protocol"}
