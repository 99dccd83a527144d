"""Which parts exist, what each does and leaves, and how long it may take on a large GPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One part."""

    module: str
    seconds: float
    """After so many it is cut off."""
    does: str
    leaves: tuple[str, ...] = ()
    """Files in `out` beside `results.json` and `log.txt`."""


PARTS: dict[str, Entry] = {
    "tests": Entry("benchmarks.gpu.tests", 50, "the tests marked `gpu`"),
    "teacher": Entry(
        "benchmarks.gpu.teacher", 110, "a teacher for CIFAR-10, thirty epochs", ("teacher.tar",)
    ),
    "prior": Entry("benchmarks.gpu.prior", 300, "a pixel-space prior for CIFAR-10", ("prior.tar",)),
    "samples": Entry(
        "benchmarks.gpu.samples",
        100,
        "10,000 samples of it at guidance 1, 1.5, 2, 3: FID, KID, the teacher's verdict",
        ("samples.png",),
    ),
    "quantizer": Entry(
        "benchmarks.gpu.quantizer", 45, "the quantizer at ImageNet-1K's shape, 10 and 200 points"
    ),
    "dit": Entry(
        "benchmarks.gpu.dit", 55, "DiT-XL/2's shape: images/s by block, precision and compile"
    ),
    "students": Entry(
        "benchmarks.gpu.students", 25, "students' throughput, one and several at once"
    ),
    "imagenette": Entry(
        "benchmarks.gpu.imagenette", 45, "recipe=imagenette/dit end to end on made pictures"
    ),
}
