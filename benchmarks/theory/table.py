"""What does a person see? One row per claim, theorem by theorem."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.theory.finding import Finding


def table(findings: Sequence[Finding]) -> Table:
    """Return the claims with what was expected and measured."""
    made = Table(box=box.HORIZONTALS, show_edge=False, padding=0)
    made.add_column("claim", overflow="fold")
    for header in ("expected", "measured"):
        made.add_column(header, justify="right", no_wrap=True)
    made.add_column("holds?", no_wrap=True)
    for finding in findings:
        made.add_section()
        made.add_row(Text(finding.name, style="bold"))
        for check in finding.checks:
            verdict = Text("yes") if check.holds else Text("NO", style="bold red")
            texts = (check.claim, check.expectation, f"{check.measured:.4g}")
            made.add_row(*map(Text, texts), verdict)
    return made
