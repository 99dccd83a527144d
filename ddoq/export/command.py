"""The command that takes a set away, in a format that others read.

`python -m ddoq.export RUN to=imagefolder out=FOLDER`, where RUN is a run's folder or a set's.
`to=parquet`, `to=webdataset`, `to=safetensors` and `to=torch` are other formats.
`test_pictures=FOLDER` writes the run's test images as pictures for the script of the export.
`python -m ddoq.export RUN to=hub repo=USER/NAME [private=false] [dry_run=true]` publishes it.
"""

import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.errors import UsageError
from ddoq.recipe import arguments
from ddoq.recipe.signature import nearest

if TYPE_CHECKING:
    from ddoq.export.folder import Contents

FORMATS = ("imagefolder", "parquet", "webdataset", "safetensors", "torch")
_HUB = "hub"


@dataclass(frozen=True)
class ExportOrder:
    """A parsed command line."""

    run: Path
    to: str
    out: str = ""
    test_pictures: str = ""
    repo: str = ""
    format: str = "parquet"
    private: bool = True
    dry_run: bool = False
    cache: str = "checkpoints/cache"
    allow_code: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        places = (*FORMATS, _HUB)
        for key, value, known in (("to", self.to, places), ("format", self.format, FORMATS)):
            if value not in known:
                listed = ", ".join(known)
                raise UsageError(
                    f"{key}={value} is none of {listed}{nearest(value, known)}",
                    f"write for example {key}=parquet",
                )
        if self.to == _HUB and not self.repo:
            raise UsageError("to=hub without a repository", "add repo=USER/NAME")
        if self.to == _HUB and self.out:
            raise UsageError("to=hub writes no folder", "leave out= away, or name a format in to=")
        if self.to != _HUB and self.repo:
            raise UsageError("repo= is for to=hub", "use to=hub, or leave repo= away")
        if self.to != _HUB and not self.out and not self.dry_run:
            raise UsageError("out= is missing", "add out=FOLDER")
        if self.test_pictures:
            self._refuse_place()

    def _refuse_place(self) -> None:
        """Refuse test pictures that are not beside an export in a folder."""
        if self.to == _HUB:
            raise UsageError(
                "to=hub publishes no test pictures",
                "leave test_pictures= away, or export to a folder",
            )
        places = [Path(place).expanduser().resolve() for place in (self.out, self.test_pictures)]
        if self.out and any(a.is_relative_to(b) for a, b in (places, places[::-1])):
            raise UsageError(
                f"test_pictures={self.test_pictures} and out={self.out} lie within each other",
                "give a folder beside it, such as test_pictures=test_pictures",
            )

    @property
    def writes(self) -> str:
        """The format."""
        return self.format if self.to == _HUB else self.to


def read(argv: list[str]) -> ExportOrder:
    """Read `RUN key=value ...`. The first argument is the run's folder."""
    if not argv or (argv[0].partition("=")[0] == "to"):
        raise UsageError(
            "no run was given",
            "python -m ddoq.export checkpoints/runs/digits/... to=parquet out=FOLDER",
        )
    first = argv[0] if argv[0].startswith("run=") else f"run={argv[0]}"
    if not any(word.startswith("to=") for word in argv):
        raise UsageError("to= is missing", f"add to=FORMAT, one of {', '.join((*FORMATS, _HUB))}")
    return arguments.read(ExportOrder, [first, *argv[1:]], "export RUN")


def main(argv: list[str]) -> None:
    """Export a set as the command line says."""
    order = read(argv)

    from ddoq.export import hub, real
    from ddoq.export.folder import KIND
    from ddoq.files.outputs import publish, refuse_foreign

    out = Path(order.out).expanduser()
    if order.to == _HUB:
        hub.refuse_repo(order.repo)
    client = hub.ready() if order.to == _HUB and not order.dry_run else None
    if order.out:
        refuse_foreign(out, KIND)
    if order.test_pictures:
        refuse_foreign(Path(order.test_pictures).expanduser(), real.KIND)
    contents = _contents(order)
    tested = _test_pictures(contents, order) if order.test_pictures else []
    if order.to != _HUB and not order.dry_run:
        publish(out, KIND, contents.write)
        told = [f"{order.to}: {out}", f"its card: {out / 'README.md'}"]
    else:
        with tempfile.TemporaryDirectory() as place:
            work = Path(place) / "export"
            publish(work, KIND, contents.write)
            told = _listing(work, order)
            if client is not None:
                address = hub.push(client, work, order.repo, private=order.private)
                told = [f"published: {address}"]
    # What is missing stands last, where it is read, above what to type next.
    _say([*told, *tested[:1], *_remarks(contents), *tested[1:]])


def _test_pictures(contents: "Contents", order: ExportOrder) -> list[str]:
    """Write the test pictures, and return what to say: how many, and what to run on them."""
    from ddoq.display.console import Console
    from ddoq.export import real
    from ddoq.files.outputs import publish

    found = real.real_pictures(contents.origin, contents.supplied, contents.exported.synthetic)
    place = Path(order.test_pictures).expanduser()
    if order.dry_run:
        return [f"{len(found)} test pictures would go to {place}"]
    publish(place, real.KIND, lambda work: found.write(work, Console()))
    script = shlex.join(["python", str(Path(order.out).expanduser() / "train.py"), str(place)])
    return [f"{len(found)} test pictures: {place}", f"train and test: {script}"]


def _contents(order: ExportOrder) -> "Contents":
    from ddoq.export.folder import Contents, exported_of
    from ddoq.export.run_folder import find
    from ddoq.export.supplied import supply
    from ddoq.export.writers import WRITERS

    writer = WRITERS[order.writes]
    synthetic, origin = find(order.run)
    supplied = supply(origin, synthetic, cache=order.cache, allow_code=order.allow_code)
    exported = exported_of(synthetic, supplied, writer)
    return Contents(exported, origin, supplied, order.writes, writer)


def _remarks(contents: "Contents") -> list[str]:
    """Return what is missing from an export, or not as it was in the set."""
    rounding = contents.exported.rounding
    changed = [f"changed: {rounding.text}"] if rounding else []
    return [
        *changed,
        *(f"without {what}: {why}" for what, why in contents.supplied.remarks.items()),
    ]


def _listing(folder: Path, order: ExportOrder) -> list[str]:
    """Return the files that would be written or uploaded, with their sizes."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    sizes = [f.stat().st_size for f in files]
    whose = "private" if order.private else "public"
    where = f"{order.repo} on the Hub, {whose}" if order.to == _HUB else order.out or "a folder"
    lines = [
        f"{size:12,}  {f.relative_to(folder).as_posix()}"
        for f, size in zip(files, sizes, strict=True)
    ]
    return [*lines, f"{sum(sizes):12,}  bytes in {len(files)} files would go to {where}"]


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
