"""What would a run do, what is there already, and what will it need? Asked by `dry_run=true`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table as Shown

from ddoq.data.images import NotDecoded
from ddoq.distillers.planned import Planned
from ddoq.evaluation.cell import Cell, cell_key
from ddoq.evaluation.grid import Table, draw, set_seed, tables
from ddoq.evaluation.rows import Entry, entries
from ddoq.recipe import shipped
from ddoq.recipe.component import is_code, sources
from ddoq.recipe.kinds import PRETRAINERS

if TYPE_CHECKING:
    from ddoq.run import Run


@dataclass(frozen=True)
class Step:
    """One thing that a run would do."""

    what: str
    state: str
    """`cached`, `given`, `to do`, or `download`."""
    needs: str


def plan(run: "Run") -> list[Step]:
    """Return every step of a run, in order, without running any."""
    images = run.images
    counts = f"{len(images.train)} train, {len(images.val)} val, {len(images.test)} test images"
    steps = [Step("images", "given", f"{counts}, {images.num_classes} classes")]
    steps += [_weights(run, part) for part in parts(run)]
    rows = entries(run.recipe)
    counted: set[str] = set()
    for entry in rows:
        steps += _sets(run, entry, counted)
    return steps + [_students(run, rows, table) for table in tables(run)]


def training(run: "Run") -> list[Step]:
    """Return the weights that a run must train before anything else."""
    steps = [_weights(run, part) for part in parts(run)]
    return [s for s in steps if s.state == "to do"]


def parts(run: "Run") -> list[str]:
    """Return the parts that the rows of this recipe read, and the teacher of soft labels."""
    made = [_distiller(run, entry) for entry in entries(run.recipe)]
    read = {part for d in made if isinstance(d, Planned) for part in d.parts(run)}
    if any(run.make("protocol", p).labels == "soft" for p in run.recipe.protocols):
        read.add("teacher")
    return [part for part in PRETRAINERS if part in read]


def pin(run: "Run") -> None:
    """Fix to commits what moves on the Hub and is read: by a user's own distiller perhaps all."""
    is_own = any(is_code(entry.distiller["name"]) for entry in entries(run.recipe))
    run.pin(PRETRAINERS if is_own else parts(run))


def _step(what: str, is_done: bool, needs: str) -> Step:
    return Step(what, "cached" if is_done else "to do", "" if is_done else needs)


def _weights(run: "Run", part: str) -> Step:
    block = getattr(run.recipe, part)
    blocks = [block, *(run.recipe.evaluation.teachers if part == "teacher" else [])]
    if any("pretrain" in sources(b) for b in blocks):
        settings = run.recipe.pretrain[part]
        size = f"{run.images.channels}x{run.images.image_size}x{run.images.image_size}"
        minutes = settings.get("minutes")
        length = f"{settings['steps']} steps" if minutes is None else f"{minutes:g} minutes"
        needs = f"{length} of {settings['batch_size']} images {size}"
        return _step(
            f"pretrain {part}", run.is_done(f"pretrain/{part}", run.pretrain_key(part)), needs
        )
    source = block.get("source")
    if source is None:
        return Step(part, "given", block["name"])
    is_here = shipped.locate(source).exists()
    return Step(part, "given" if is_here else "download", f"{source} {block.get('revision') or ''}")


def _distiller(run: "Run", entry: Entry) -> Any:
    nouns = {"decoder": entry.decoder, "weighting": entry.weighting}
    return run.make("distiller", entry.distiller, **nouns)


def _stages(run: "Run", entry: Entry, number: int) -> dict[str, dict[str, Any]]:
    """Return the keys of what stands behind an entry's set for the seed with this number."""
    with run.seeded(set_seed(run.recipe, entry, number)):
        distiller = _distiller(run, entry)
        return distiller.stages(run) if isinstance(distiller, Planned) else {}


def _sets(run: "Run", entry: Entry, counted: set[str]) -> list[Step]:
    """Return what an entry's sets need, but for what an earlier entry needs too."""
    places: dict[str, dict[str, bool]] = {}
    for number in range(entry.num_seeds if entry.redraw else 1):
        for stage, key in _stages(run, entry, number).items():
            name = run.place(stage, key).name
            if name not in counted:
                places.setdefault(stage, {})[name] = run.is_done(stage, key)
                counted.add(name)
    return [_made(run, entry, stage, list(found.values())) for stage, found in places.items()]


def _made(run: "Run", entry: Entry, stage: str, done: list[bool]) -> Step:
    distiller = _distiller(run, entry)
    per_class = getattr(distiller, "images_per_class", 0)
    num_images = getattr(distiller, "budget", None) or per_class * run.images.num_classes
    needs = {
        "latents": f"encode {len(run.images.train)} images",
        "study": "hold out latents of some classes and quantize the rest",
    }
    by = entry.decoder_name if entry.decoder_name != "-" else entry.labels()["distiller"]
    last = stage.split("/")[-1]
    what = f"{last} ({by})" if stage.startswith("decoded") else stage
    counts = f"{done.count(False)} of {len(done)} sets of {num_images}"
    return _step(what, all(done), needs.get(stage, counts))


def _students(run: "Run", rows: list[Entry], table: Table) -> Step:
    protocol, teacher = table.protocol, table.teacher
    total = sum(e.num_seeds * e.num_students for e in rows)
    done = sum(_num_trained(run, entry, table) for entry in rows)
    needs = f"{total - done} of {total} trainings of {protocol.steps or protocol.epochs} "
    return _step(
        f"students ({protocol.id}{', ' + teacher['name'] if teacher else ''})",
        done == total,
        needs + ("steps" if protocol.steps else "epochs"),
    )


def _num_trained(run: "Run", entry: Entry, table: Table) -> int:
    """Count the finished trainings of an entry whose sets are there to be named."""
    done = 0
    for number in range(entry.num_seeds):
        if not all(run.is_done(stage, key) for stage, key in _stages(run, entry, number).items()):
            continue
        try:
            synthetic = draw(run, entry, number)
        except NotDecoded:
            # On images that were never decoded nothing can have been trained.
            continue
        for block in run.recipe.students[: entry.num_students]:
            seed = run.recipe.seed + number
            cell = Cell(synthetic, block, table.protocol, seed, table.teacher)
            done += run.is_done("cell", cell_key(run, cell))
    return done


def table(steps: list[Step], title: str) -> Shown:
    """Return the steps as a table for the terminal."""
    shown = Shown("stage", "state", "needs", title=title, title_justify="left")
    for step in steps:
        shown.add_row(step.what, step.state, step.needs)
    return shown
