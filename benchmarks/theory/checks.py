"""Which claims are checked, and in which order?"""

from collections.abc import Callable
from typing import Any

from benchmarks.theory import cube, diffusion, gradients, optima
from benchmarks.theory.finding import Finding, Scale

CHECKS: tuple[Callable[[Scale, int], Finding], ...] = (
    optima.cell_masses,
    optima.optimal_points,
    optima.running_mean,
    cube.zador,
    diffusion.push_forward,
    diffusion.noising,
    gradients.expected_gradients,
)


def failures(findings: list[Finding]) -> list[str]:
    """Return the claims that do not hold, each with its finding and numbers."""
    return [
        f"{finding.name}, {check.claim}: {check.measured:.4g}, not {check.expectation}"
        for finding in findings
        for check in finding.checks
        if not check.holds
    ]


def as_plain(finding: Finding) -> dict[str, Any]:
    """Return a finding as it stands in `theory.json`."""
    curves = finding.plot.curves if finding.plot else ()
    return {
        "name": finding.name,
        "checks": [
            {
                "claim": check.claim,
                "relation": check.relation,
                "expected": check.expected,
                "measured": check.measured,
                "tolerance": check.tolerance,
                "holds": check.holds,
            }
            for check in finding.checks
        ],
        "curves": [
            {"label": c.label, "x": list(c.x), "y": list(c.y), "slope": c.slope} for c in curves
        ],
    }
