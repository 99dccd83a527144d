"""From points to images."""

DECODERS = {
    "plain": "ddoq.decoders.plain:Plain",
    "nearest": "ddoq.decoders.nearest:Nearest",
    "dit": "ddoq.decoders.dit:DiT",
    "stable_diffusion": "ddoq.decoders.stable_diffusion:StableDiffusion",
}
