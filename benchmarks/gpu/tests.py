"""The tests marked `gpu`, alone: which pass, which fail, and with what."""

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.part import Options

_ROOT = Path(__file__).parents[2]
_MARK = "pytest.mark.gpu"
_LAST_LINES = 5


class _Noting:
    """A plugin of pytest that notes every outcome when it is there."""

    def __init__(self, asked: Options) -> None:
        self._asked = asked
        self._found: dict[str, list[Any]] = {"passed": [], "failed": [], "skipped": []}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that has passed, has failed, even in its fixtures, or was skipped."""
        if report.when != "call" and report.passed:
            return
        row: Any = report.nodeid
        if report.failed:
            row = {"test": row, "why": report.longreprtext.splitlines()[-_LAST_LINES:]}
        if report.skipped:
            row = {"test": row, "why": str(report.longrepr[-1])}  # type: ignore[index] # file, line, reason
        self._found[report.outcome].append(row)
        self._note()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be collected."""
        if report.failed:
            why = report.longreprtext.splitlines()[-_LAST_LINES:]
            self._found["failed"].append({"test": report.nodeid, "why": why})
            self._note()

    def _note(self) -> None:
        counts = {kind: len(rows) for kind, rows in self._found.items()}
        self._asked.note({"counts": counts, **self._found})


def main(asked: Options) -> None:
    """Run them from the files that have any, so that little is collected."""
    # Backwards, so that the one that compiles a network comes last.
    every = sorted((_ROOT / "tests").rglob("test_*.py"), reverse=True)
    files = [str(file) for file in every if _MARK in file.read_text(encoding="utf-8")]
    settings = ["--rootdir", str(_ROOT), "-c", str(_ROOT / "pyproject.toml"), "-m", "gpu", "-rs"]
    # Without the check of shapes, which needs beartype. A warning of another version of a library
    # is no fault of a GPU's.
    settings += ["-o", "addopts=--import-mode=importlib -p no:cacheprovider", "-W", "default"]
    settings += ["--continue-on-collection-errors"]
    sys.exit(pytest.main([*settings, *files], plugins=[_Noting(asked)]))
