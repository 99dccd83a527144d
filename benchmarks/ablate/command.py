"""Take the method apart: what do points, weights and shrinkage earn, and does it generalize?

`python -m benchmarks.ablate latents=PATH out=FOLDER [points=1,10,50,200] [solvers=d4m,...]
[classes=0] [held_out=0.35] [seeds=1] [seed=0] [threads=1]` fits part of each class and measures
distortion and W2^2 on the fitted and on the held-out latents. PATH is a store of latents, or a
safetensors file with one tensor per class; `classes=2` takes the first two, 0 all. It writes
`ablation.csv`, `ablation.json` and `ablation.md` into `out`, and goes on where it was interrupted.
"""

from benchmarks.ablate.invocation import read


def main(argv: list[str]) -> None:
    """Read the command line, measure what is not yet measured, and write the tables."""
    invocation = read(argv)

    from benchmarks.ablate.report import report
    from benchmarks.ablate.sweep import spectra, sweep
    from ddoq.display.console import Console

    console = Console()
    rows = sweep(invocation, console)
    report(invocation, rows, spectra(invocation, console), console)
    console.say(f"ablation: {invocation.out}")
