"""How is a table filled? Every set drawn, every student trained on it, in order."""

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

from jaxtyping import Int
from torch import Tensor

from ddoq.console import Stage
from ddoq.evaluation.cell import Cell, stored_bytes, stores_labels
from ddoq.evaluation.measure import measure
from ddoq.evaluation.naming import told_apart
from ddoq.evaluation.rows import Entry, student_name
from ddoq.evaluation.score import ABSENT, Result
from ddoq.protocols.protocol import Protocol
from ddoq.recipe import Recipe
from ddoq.recipe.component import Block
from ddoq.recipe.plugin import expect
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


def set_seed(recipe: Recipe, entry: Entry, number: int) -> int:
    """Return the seed that an entry's set is drawn with for the seed with this number."""
    return recipe.seed + (number if entry.redraw else 0)


def draw(run: "Run", entry: Entry, number: int) -> SyntheticSet:
    """Return an entry's set for the seed with this number."""
    with run.seeded(set_seed(run.recipe, entry, number)):
        distiller = run.make(
            "distiller", entry.distiller, decoder=entry.decoder, weighting=entry.weighting
        )
        drawn = distiller.distill(run.images, run)
    expect(isinstance(drawn, SyntheticSet), distiller.distill, "distill", "a SyntheticSet", drawn)
    return drawn


@dataclass(frozen=True)
class Table:
    """What all cells of a table have in common."""

    protocol: Protocol
    teacher: Block | None = None
    """Who gives soft labels; None is the recipe's own, and where labels are hard."""


def tables(run: "Run") -> list[Table]:
    """Return a recipe's tables: one per protocol, of soft labels one per teacher too."""
    protocols = [run.make("protocol", block) for block in run.recipe.protocols]
    teachers = [run.recipe.teacher, *run.recipe.evaluation.teachers]
    others = [t for place, t in enumerate(teachers) if t not in teachers[:place]][1:]
    return [
        Table(protocol, teacher)
        for protocol in protocols
        for teacher in ([None, *others] if protocol.labels == "soft" else [None])
    ]


def fill(run: "Run", rows: list[Entry], table: Table, bar: Stage) -> list[Result]:
    """Train and measure every cell of a table; finished ones come from the cache."""
    protocol = table.protocol
    results: list[Result] = []
    for entry in rows:
        for number in range(entry.num_seeds):
            synthetic = draw(run, entry, number)
            for block in run.recipe.students[: entry.num_students]:
                seed = run.recipe.seed + number
                cell = Cell(synthetic, block, protocol, seed, table.teacher)
                results.append(result_of(run, entry, cell, student_name(run.recipe, block)))
                bar.advance()
    return results + (quoted(run.recipe, protocol) if table.teacher is None else [])


def quoted(recipe: Recipe, protocol: Protocol) -> list[Result]:
    """Return the published numbers that a recipe asks to see beside its own, marked so.

    A number that names a protocol stands in the tables of that protocol alone.
    """
    wanted = (protocol.id, protocol.id.split("+")[0], None)
    return [
        Result(
            distiller=str(number["distiller"]),
            images_per_class=int(number.get("images_per_class", 0)),
            student=str(number["student"]),
            protocol=protocol.id,
            labels=protocol.labels,
            seed=0,
            set_seed=0,
            top1=float(number["top1"]),
            top5=nan,
            loss=nan,
            seconds=nan,
            peak_memory_mb=nan,
            note="quoted",
        )
        for number in recipe.evaluation.quoted
        if number.get("protocol") in wanted
    ]


def result_of(run: "Run", entry: Entry, cell: Cell, name: str) -> Result:
    """Measure a cell and return it as a row of results.csv."""
    measured = measure(run, cell)
    recipe = run.recipe
    numbers: dict[str, Any] = {**vars(measured), "of_class": tuple(measured.of_class)}
    if measured.val_top1 is None:
        del numbers["val_top1"]
    synthetic = cell.synthetic
    numbers["label_bytes"] = stored_bytes(run, cell) if stores_labels(run, cell) else 0.0
    numbers["set_bytes"] = synthetic.images.nbytes + numbers["label_bytes"] * len(synthetic)
    return Result(
        **entry.labels(),
        images_per_class=size_of(entry, cell.synthetic, run.images.train.labels),
        teacher=_teacher_name(recipe, cell.teacher) if cell.protocol.labels == "soft" else ABSENT,
        labels=cell.protocol.labels,
        student=name,
        protocol=cell.protocol.id,
        seed=cell.seed,
        set_seed=set_seed(recipe, entry, cell.seed - recipe.seed),
        note=", ".join(filter(None, (entry.note(cell.wanted, cell.protocol), cell.note))),
        reported=cell.protocol.reported,
        uses_hints=" ".join(cell.wanted.uses_hints),
        **numbers,
    )


def _teacher_name(recipe: Recipe, block: Block | None) -> str:
    teachers = [recipe.teacher, *recipe.evaluation.teachers]
    return told_apart("teacher", block or recipe.teacher, teachers)


def size_of(entry: Entry, synthetic: SyntheticSet, labels: Int[Tensor, " n"]) -> int:
    """Return the images per class that a row is about, also where a class has fewer.

    More than the largest class of real images has are said only of a set that holds them.
    """
    if entry.distiller["name"] == "full":
        return 0
    has_budget = entry.distiller.get("budget") is not None
    asked = None if has_budget else entry.distiller.get("images_per_class")
    if asked is None:
        return synthetic.images_per_class
    return max(min(asked, int(labels.bincount().max())), synthetic.images_per_class)
