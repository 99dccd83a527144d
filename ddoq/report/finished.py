"""A finished run, read from its folder: everything that the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ddoq.errors import DataError
from ddoq.evaluation.results import Results
from ddoq.files.artifacts import read_json
from ddoq.files.outputs import hint_at_runs
from ddoq.report.answer import Answer, answer
from ddoq.report.files import read_results

# What the page shows and the other files of a run do not hold.
CONTENT = "report.json"
# What an answer asks of a summary, besides the results.
ASKED = ("pushforward", "smallest_class", "num_test_images", "test_share", "split")


@dataclass(frozen=True)
class FinishedRun:
    """The results of a run, and what its other files say."""

    name: str
    """What tells it apart from the other runs of a page."""
    results: Results
    summary: Mapping[str, Any]
    content: Mapping[str, Any]
    """Pictures and other things of the page; empty for runs that did not save them."""

    @classmethod
    def read(cls, folder: Path, name: str = "") -> "FinishedRun":
        """Read a run's folder."""
        wanted = [folder / "results.csv", folder / "summary.json"]
        missing = [file.name for file in wanted if not file.is_file()]
        if missing:
            raise DataError(
                f"{folder} is no finished run: it has no {' and no '.join(missing)}",
                hint_at_runs(
                    folder,
                    "summary.json",
                    "give the folder that `python -m ddoq.fit` or benchmark named at its end",
                ),
            )
        content = _read(folder / CONTENT) if (folder / CONTENT).is_file() else {}
        summary = _read(folder / "summary.json")
        return cls(name or folder.resolve().name, read_results(folder), summary, content)

    @property
    def title(self) -> str:
        """The data set and the sizes."""
        return str(self.content.get("title") or self.summary.get("recipe") or self.name)

    @property
    def data(self) -> str:
        """The name of the data set."""
        return str(self.content.get("data") or self.summary.get("recipe") or self.name)

    @cached_property
    def answer(self) -> Answer:
        """The answer in words."""
        return answer(self.results, *(self.summary.get(key) for key in ASKED))


def _read(file: Path) -> dict[str, Any]:
    try:
        found = read_json(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error})", "run the recipe again") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} is not from a run", "run the recipe again")
    return found
