"""Real labeled images, and their latents on disk."""

IMAGES = {
    "digits": "ddoq.data.digits:Digits",
    "imagefolder": "ddoq.data.imagefolder:ImageFolder",
    "torchvision": "ddoq.data.torchvision:Torchvision",
    "parquet": "ddoq.data.parquet:Parquet",
}
