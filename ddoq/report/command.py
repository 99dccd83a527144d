"""The command that makes a page from finished runs.

`python -m ddoq.report RUN... [out=comparison.html]` shows the runs beside each other, in one table
where they may be compared. Of one run it writes that run's `report.html` again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from ddoq.errors import UsageError
from ddoq.recipe import arguments

_REMEDY = "give the folders of finished runs: python -m ddoq.report RUN... [out=comparison.html]"


@dataclass(frozen=True)
class ReportQuery:
    """A parsed command line, without its runs."""

    out: Path | None = None
    debug: bool = False


def read(argv: list[str]) -> tuple[list[Path], ReportQuery]:
    """Read the folders of runs, and `key=value`."""
    known = ("out", "debug")
    settings = [a for a in argv if a.partition("=")[0] in known and "=" in a]
    folders = [Path(a).expanduser() for a in argv if a not in settings]
    if not folders:
        raise UsageError("no run was given", _REMEDY)
    given = dict(arguments.pair(a) for a in settings)
    out = Path(given["out"]).expanduser() if given.get("out") else None
    return folders, ReportQuery(out, arguments.flag("debug", given.get("debug", "false")))


def main(argv: list[str]) -> None:
    """Write the page of finished runs, and print the answer of each."""
    folders, query = read(argv)

    from rich.console import Console

    from ddoq.report.finished import FinishedRun
    from ddoq.report.page import write_page

    names = short_names(folders)
    runs = [FinishedRun.read(f, name) for f, name in zip(folders, names, strict=True)]
    file = query.out or (folders[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    refuse_foreign_page(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_page(file, runs)
    terminal = Console(highlight=False)
    for run in runs:
        terminal.print(f"\n{run.name}: {run.title}", markup=False)
        terminal.print(run.answer)
    sys.stdout.write(f"report: {file}\n")


def short_names(folders: list[Path]) -> list[str]:
    """Return the shortest ends of the folders' paths that tell them apart.

    >>> short_names([Path("/runs/a/one"), Path("/runs/b/one")])
    ['a/one', 'b/one']
    """
    whole = [folder.resolve().parts for folder in folders]
    if len(set(whole)) < len(whole):
        twice = next(str(f) for f, w in zip(folders, whole, strict=True) if whole.count(w) > 1)
        raise UsageError(f"{twice} is given twice", "give each run once")
    longest = max(map(len, whole))
    lengths = range(1, longest + 1)
    length = next(n for n in lengths if len({w[-n:] for w in whole}) == len(whole))
    return ["/".join(w[-length:]) for w in whole]


def refuse_foreign_page(file: Path) -> None:
    """Refuse to replace anything but a page that was made here."""
    from ddoq.report.page import GENERATOR

    if file.is_dir():
        raise UsageError(f"out={file} is a folder", "give the name of a file, such as page.html")
    if file.exists() and GENERATOR not in file.read_text("utf-8", errors="replace")[:1000]:
        raise UsageError(
            f"{file} is no report of ddoq; it would be replaced", "give another out=FILE"
        )
