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
    "tests": Entry("benchmarks.gpu.tests", 60, "the tests marked `gpu`"),
    "teacher": Entry("benchmarks.gpu.teacher", 120, "a teacher for CIFAR-10"),
    "prior": Entry("benchmarks.gpu.prior", 330, "a pixel-space prior for CIFAR-10"),
    "samples": Entry("benchmarks.gpu.samples", 100, "samples of the prior, judged"),
    "quantizer": Entry(
        "benchmarks.gpu.quantizer", 60, "the quantizer at ImageNet-1K's shape, 10 and 200 points"
    ),
    "dit": Entry(
        "benchmarks.gpu.dit", 60, "DiT-XL/2's shape: images/s by block, precision and compile"
    ),
    "students": Entry(
        "benchmarks.gpu.students", 30, "students' throughput, one and several at once"
    ),
    "imagenette": Entry(
        "benchmarks.gpu.imagenette", 60, "recipe=imagenette/dit end to end on made pictures"
    ),
}
