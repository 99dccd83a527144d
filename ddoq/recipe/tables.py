"""The short names of components, and the place of each. There is one table for each kind.

A name that a recipe uses is looked up here, without an import. `family/*` stands for every name
of that family. The rest of the name is passed to the component as `model`.
"""

from ddoq.protocols.presets import PRESETS

IMAGES = {
    "digits": "ddoq.data.digits:Digits",
    "glyphs": "ddoq.data.glyphs:Glyphs",
    "imagefolder": "ddoq.data.imagefolder:ImageFolder",
    "torchvision": "ddoq.data.torchvision:Torchvision",
    "parquet": "ddoq.data.parquet:Parquet",
}

AUTOENCODERS = {
    "identity": "ddoq.autoencoders.identity:Identity",
    "kl": "ddoq.autoencoders.kl:KL",
    "tiny": "ddoq.autoencoders.tiny:Tiny",
    "dc": "ddoq.autoencoders.dc:DC",
}

PRIORS = {
    "dit": "ddoq.priors.dit:DiTPrior",
    "sit": "ddoq.priors.sit:SiTPrior",
    "unet": "ddoq.priors.unet:UNetPrior",
    "stable_diffusion": "ddoq.priors.stable_diffusion:StableDiffusionPrior",
    "sdxl": "ddoq.priors.sdxl:SDXLPrior",
}

NETS = {
    "dit": "ddoq.priors.nets:dit",
    "unet": "ddoq.priors.nets:unet",
}

OBJECTIVES = {
    "noise": "ddoq.priors.objectives:noise",
    "velocity": "ddoq.priors.objectives:velocity",
    "clean": "ddoq.priors.objectives:clean",
    "flow": "ddoq.priors.objectives:flow",
    "edm": "ddoq.priors.objectives:edm",
}

SOLVERS = {
    "lloyd": "ddoq.quantize.lloyd:Lloyd",
    "clvq": "ddoq.quantize.clvq:CLVQ",
    "faiss": "ddoq.quantize.faiss:Faiss",
    "d4m": "ddoq.quantize.d4m:D4M",
}

DECODERS = {
    "plain": "ddoq.decoders.plain:Plain",
    "nearest": "ddoq.decoders.nearest:Nearest",
    **dict.fromkeys(
        ("diffusion", "dit", "sit", "unet", "stable_diffusion", "sdxl"),
        "ddoq.decoders.diffusion:Diffusion",
    ),
    "confident": "ddoq.decoders.best:confident",
    "closest": "ddoq.decoders.best:closest",
}

# Names whose defaults are not those of the constructor: the settings of a paper.
USUAL_DECODERS = {
    # The convention of the field for DiT-XL/2.
    "dit": {"guidance": 4.0, "strength": 0.7, "block": 16},
    # The guidance of SiT's own script; the rest as for `dit`.
    "sit": {"guidance": 4.0, "strength": 0.7, "block": 16},
    # Karras et al. 2022.
    "unet": {"steps": 18, "guidance": 1.5, "scheduler": "heun"},
    # D4M's script for ImageNet: 35 of 50 steps.
    "stable_diffusion": {
        "guidance": 8.0,
        "strength": 0.7,
        "negative_prompt": "cartoon, anime, painting",
        "block": 4,
    },
    # The pipeline's own defaults.
    "sdxl": {"steps": 50, "guidance": 5.0, "strength": 0.7, "block": 1},
}

GUIDES = {
    "mode": "ddoq.guides.mode:ModeGuide",
    "transport": "ddoq.guides.transport:TransportGuide",
}

DISTILLERS = {
    "ddoq": "ddoq.distillers.ddoq:DDOQ",
    "random": "ddoq.distillers.random:Random",
    "full": "ddoq.distillers.full:Full",
    "herding": "ddoq.distillers.coresets:herding",
    "k_center": "ddoq.distillers.coresets:k_center",
    "provable": "ddoq.distillers.provable:provable",
    "d4m": "ddoq.distillers.published:d4m",
    "ddoq/paper": "ddoq.distillers.published:paper",
    "nearest": "ddoq.distillers.published:nearest",
    "prior": "ddoq.distillers.prior:PriorSamples",
    "given": "ddoq.distillers.given:Given",
    "noise": "ddoq.distillers.noise:Noise",
    "learned": "ddoq.distillers.learned:Learned",
    "collage": "ddoq.distillers.collage:Collage",
    "dc": "ddoq.distillers.gradient_matching:dc",
    "dsa": "ddoq.distillers.gradient_matching:dsa",
    "dm": "ddoq.distillers.distribution_matching:dm",
    "idm": "ddoq.distillers.distribution_matching:idm",
    "m3d": "ddoq.distillers.distribution_matching:m3d",
}

# The parts of learned sets (docs/learned.md).
SET_OBJECTIVES = {
    "feature_mean": "ddoq.objectives.feature_mean:FeatureMean",
    "mmd": "ddoq.objectives.mmd:MMD",
    "gradient": "ddoq.objectives.gradient:GradientDistance",
}

VIEWPOINTS = {
    "fresh": "ddoq.viewpoints.fresh:Fresh",
    "inner": "ddoq.viewpoints.inner:Inner",
    "queue": "ddoq.viewpoints.queue:Queue",
}

PARAMETERIZATIONS = {
    "pixels": "ddoq.parameterizations.pixels:Pixels",
    "tiles": "ddoq.parameterizations.tiles:Tiles",
}

SAMPLERS = {
    "uniform": "ddoq.samplers.uniform:Uniform",
    "importance": "ddoq.samplers.importance:Importance",
}

WEIGHTINGS = {
    "uniform": "ddoq.distillers.weighting:uniform",
    "mass": "ddoq.distillers.weighting:mass",
    "root": "ddoq.distillers.weighting:root",
    "root_raw": "ddoq.distillers.weighting:root_raw",
}

TEACHERS = {
    "trained": "ddoq.teachers.trained:trained_teacher",
    "checkpoint": "ddoq.teachers.checkpoint:checkpoint_teacher",
    "ensemble": "ddoq.teachers.ensemble:ensemble",
    "timm/*": "ddoq.teachers.timm:timm_teacher",
    "torchvision/*": "ddoq.teachers.torchvision:torchvision_teacher",
}

STUDENTS = {
    "convnet": "ddoq.students.convnet:ConvNet",
    "resnet": "ddoq.students.resnet:resnet",
    "resnetap": "ddoq.students.resnet:resnetap",
    "timm/*": "ddoq.students.timm:timm_student",
    "torchvision/*": "ddoq.students.torchvision:torchvision_student",
}

EVALUATORS = {
    "train": "ddoq.evaluation.evaluators.train:Train",
}

PROTOCOLS = dict.fromkeys(PRESETS, "ddoq.protocols.protocol:Protocol")
