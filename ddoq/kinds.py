"""Which kinds of component exist, and what does the program supply to each?"""

from ddoq.autoencoders import AUTOENCODERS
from ddoq.component import Kind
from ddoq.data import IMAGES
from ddoq.decoders import DECODERS
from ddoq.distillers import DISTILLERS, WEIGHTINGS
from ddoq.evaluation import PROTOCOLS
from ddoq.priors import PRIORS
from ddoq.quantize import SOLVERS
from ddoq.students import STUDENTS
from ddoq.teachers import TEACHERS

KINDS: dict[str, Kind] = {
    "data": Kind(IMAGES),
    "autoencoder": Kind(AUTOENCODERS),
    "prior": Kind(PRIORS),
    "distiller": Kind(DISTILLERS, supplies=("decoder", "weighting")),
    "solver": Kind(SOLVERS),
    "decoder": Kind(DECODERS, supplies=("autoencoder", "prior", "images", "latents", "seed")),
    "weighting": Kind(WEIGHTINGS, supplies=("masses", "labels", "priors")),
    "teacher": Kind(
        TEACHERS, supplies=("num_classes", "channels", "image_size", "images", "make", "model")
    ),
    "student": Kind(STUDENTS, supplies=("num_classes", "channels", "image_size", "model")),
    "protocol": Kind(PROTOCOLS, supplies=("id", "source", "deviations", "rules"), presets=True),
}

# What a component's result depends on beside the libraries that all stages do.
LIBRARIES = {
    ("solver", "d4m"): ("scikit-learn",),
    ("solver", "faiss"): ("faiss",),
    ("prior", "stable_diffusion"): ("transformers",),
}

# What `pretrain` makes: the function that trains it, whose signature is the block's schema.
PRETRAINERS = {
    "autoencoder": "ddoq.autoencoders.pretrain:train_autoencoder",
    "prior": "ddoq.priors.pretrain:train_prior",
    "teacher": "ddoq.teachers.pretrain:train_teacher",
}

# A recipe's blocks: one of each of these, and lists of the others.
SINGLE = ("data", "autoencoder", "prior", "distiller", "decoder", "weighting", "teacher")
PLURAL = {"students": "student", "protocols": "protocol"}
