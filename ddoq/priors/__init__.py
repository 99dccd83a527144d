"""The generative models behind decoders, and the networks that `pretrain` trains for them."""

PRIORS = {
    "dit": "ddoq.priors.dit:DiTPrior",
    "unet": "ddoq.priors.unet:UNetPrior",
    "stable_diffusion": "ddoq.priors.stable_diffusion:StableDiffusionPrior",
}

NETS = {
    "dit": "ddoq.priors.nets:dit",
    "unet": "ddoq.priors.nets:unet",
}
