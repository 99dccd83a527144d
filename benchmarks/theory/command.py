"""Check what the theory says and can be measured, and write down how it came out.

`python -m benchmarks.theory [out=FOLDER] [seed=0] [quick=true]` prints a table and writes
`theory.json` and a plot of each law into `FOLDER`. It exits with 1 if a claim does not hold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.errors import DdoqError
from ddoq.recipe import arguments

if TYPE_CHECKING:
    from benchmarks.theory.finding import Finding
    from ddoq.display.console import Console


@dataclass(frozen=True)
class Invocation:
    """A command line, read."""

    out: Path = Path("checkpoints/theory")
    seed: int = 0
    quick: bool = False
    debug: bool = False


def read(argv: list[str]) -> Invocation:
    """Read `key=value ...`."""
    return arguments.read(Invocation, argv, "theory")


def main(argv: list[str]) -> None:
    """Read the command line, check every claim, and say which do not hold."""
    invocation = read(argv)

    from benchmarks.theory.checks import failures
    from benchmarks.theory.table import table
    from ddoq.display.console import Console

    console = Console()
    invocation.out.mkdir(parents=True, exist_ok=True)
    findings = _checked(invocation, console)
    _write(invocation, findings)
    console.show(table(findings))
    console.say(f"theory: {invocation.out}")
    failed = failures(findings)
    if failed:
        raise DdoqError(
            f"what does not hold: {'; '.join(failed)}",
            "another seed= tells chance from a fault; theory.json has every number",
        )


def _checked(invocation: Invocation, console: "Console") -> "list[Finding]":
    from benchmarks.theory.checks import CHECKS
    from benchmarks.theory.finding import FULL, QUICK

    scale = QUICK if invocation.quick else FULL
    findings: list[Finding] = []
    with console.stage("theory", len(CHECKS)) as stage:
        for check in CHECKS:
            findings.append(check(scale, invocation.seed))
            stage.advance()
    return findings


def _write(invocation: Invocation, findings: "list[Finding]") -> None:
    from benchmarks.theory.checks import as_plain, failures
    from benchmarks.theory.plots import write_plots
    from ddoq.files.artifacts import write_json

    content = {
        "seed": invocation.seed,
        "quick": invocation.quick,
        "holds": not failures(findings),
        "findings": [as_plain(finding) for finding in findings],
    }
    write_json(invocation.out / "theory.json", content)
    write_plots(invocation.out, findings)
