"""From the latents of a class to a few weighted points."""

SOLVERS = {
    "lloyd": "ddoq.quantize.lloyd:Lloyd",
    "clvq": "ddoq.quantize.clvq:CLVQ",
    "faiss": "ddoq.quantize.faiss:Faiss",
    "d4m": "ddoq.quantize.d4m:D4M",
}
