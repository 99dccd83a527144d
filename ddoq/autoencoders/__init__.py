"""Images to latents and back."""

AUTOENCODERS = {
    "identity": "ddoq.autoencoders.identity:Identity",
    "kl": "ddoq.autoencoders.kl:KL",
    "tiny": "ddoq.autoencoders.tiny:Tiny",
}
