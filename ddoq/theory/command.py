"""Check what the theory says and can be measured, and write down how it came out.

`python -m ddoq.theory [out=FOLDER] [seed=0] [quick=true]` prints a table and writes `theory.json`
and a plot of each law into `FOLDER`. It exits with 1 if a claim does not hold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.errors import DdoqError, UsageError
from ddoq.signature import nearest

if TYPE_CHECKING:
    from ddoq.console import Console
    from ddoq.theory.finding import Finding

_KEYS = ("out", "seed", "quick", "debug")


@dataclass(frozen=True)
class Invocation:
    """A command line, read."""

    out: Path = Path("checkpoints/theory")
    seed: int = 0
    quick: bool = False
    debug: bool = False


def read(argv: list[str]) -> Invocation:
    """Read `key=value ...`."""
    given: dict[str, str] = {}
    for argument in argv:
        key, equals, value = argument.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{argument!r} is not key=value", "write for example seed=1")
        if key not in _KEYS:
            raise UsageError(
                f"there is no key {key!r}{nearest(key, _KEYS)}", f"theory has {', '.join(_KEYS)}"
            )
        given[key] = value
    out = Path(given.get("out", Invocation.out)).expanduser()
    flags = {key: _flag(key, given[key]) for key in ("quick", "debug") if key in given}
    return Invocation(out, _seed(given.get("seed", "0")), **flags)


def _flag(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise UsageError(f"{key}={value}", f"{key} is true or false")
    return value.lower() == "true"


def _seed(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"seed={value}", "seed is a whole number") from None


def main(argv: list[str]) -> None:
    """Read the command line, check every claim, and say which do not hold."""
    invocation = read(argv)

    from ddoq.console import Console
    from ddoq.theory.checks import failures
    from ddoq.theory.table import table

    console = Console()
    invocation.out.mkdir(parents=True, exist_ok=True)
    findings = _checked(invocation, console)
    console.show(table(findings))
    _write(invocation, findings)
    console.say(f"theory: {invocation.out}")
    failed = failures(findings)
    if failed:
        raise DdoqError(
            f"what does not hold: {'; '.join(failed)}",
            "another seed= tells chance from a fault; theory.json has every number",
        )


def _checked(invocation: Invocation, console: "Console") -> "list[Finding]":
    from ddoq.theory.checks import CHECKS
    from ddoq.theory.finding import FULL, QUICK

    scale = QUICK if invocation.quick else FULL
    findings: list[Finding] = []
    with console.stage("theory", len(CHECKS)) as stage:
        for check in CHECKS:
            findings.append(check(scale, invocation.seed))
            stage.advance()
    return findings


def _write(invocation: Invocation, findings: "list[Finding]") -> None:
    from ddoq.artifacts import write_json
    from ddoq.theory.checks import as_plain, failures
    from ddoq.theory.plots import write_plots

    content = {
        "seed": invocation.seed,
        "quick": invocation.quick,
        "holds": not failures(findings),
        "findings": [as_plain(finding) for finding in findings],
    }
    write_json(invocation.out / "theory.json", content)
    write_plots(invocation.out, findings)
