"""From points to images."""

DECODERS = {
    "plain": "ddoq.decoders.plain:Plain",
    "nearest": "ddoq.decoders.nearest:Nearest",
    "dit": "ddoq.decoders.dit:DiT",
    "unet": "ddoq.decoders.unet:UNet",
    "stable_diffusion": "ddoq.decoders.stable_diffusion:StableDiffusion",
}
