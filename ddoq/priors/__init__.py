"""The generative models behind decoders."""

PRIORS = {
    "dit": "ddoq.priors.dit:DiTPrior",
}
