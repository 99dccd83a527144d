"""The generative models behind decoders."""

PRIORS = {
    "dit": "ddoq.priors.dit:DiTPrior",
    "stable_diffusion": "ddoq.priors.stable_diffusion:StableDiffusionPrior",
}
