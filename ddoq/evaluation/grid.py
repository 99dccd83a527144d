"""Which trainings stand in a table? The method, what it is compared with, and how often."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddoq.component import Block
from ddoq.console import Stage
from ddoq.errors import UsageError
from ddoq.evaluation.cell import Cell, measure
from ddoq.evaluation.protocols import Protocol
from ddoq.evaluation.score import Result
from ddoq.recipe import Recipe
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_BASELINES = ("uniform", "random", "full")
SAME_UPDATES = "same updates"


@dataclass(frozen=True)
class Entry:
    """One row of a table: how its set is made, and how much is trained on it."""

    distiller: Block
    decoder: Block
    weighting: Block
    num_seeds: int
    num_students: int
    is_method: bool = True
    note: str = ""

    def labels(self) -> dict[str, str]:
        """Return what the row is called in the table's columns."""
        named = {"decoder": self.decoder["name"], "weighting": self.weighting["name"]}
        free = {"decoder": "-", "weighting": "-"}
        return {"distiller": self.distiller["name"], **(named if self.is_method else free)}


def entries(recipe: Recipe) -> list[Entry]:
    """Return the rows of a recipe's table, the method first."""
    settings, n = recipe.evaluation, len(recipe.students)
    method = (recipe.distiller, recipe.decoder, recipe.weighting)
    rows = [Entry(*method, settings.seeds, n)]
    rows += [
        Entry(recipe.distiller, decoder, recipe.weighting, settings.seeds, n)
        for decoder in settings.decoders
        if decoder["name"] != recipe.decoder["name"]
    ]
    for name in settings.baselines:
        rows += _baseline(recipe, name)
    return rows


def _baseline(recipe: Recipe, name: str) -> list[Entry]:
    settings, n = recipe.evaluation, len(recipe.students)
    uniform = {"name": "uniform"}
    per_class = {"images_per_class": recipe.distiller.get("images_per_class", 10)}
    if name == "uniform":
        if recipe.weighting["name"] == "uniform":
            return []
        return [Entry(recipe.distiller, recipe.decoder, uniform, settings.seeds, n)]
    if name == "random":
        block = {"name": "random", **per_class}
        return [Entry(block, recipe.decoder, uniform, settings.seeds, n, is_method=False)]
    if name == "full":
        seeds, students = settings.full_seeds, min(settings.full_students, n)
        block = {"name": "full"}
        return [
            Entry(
                block, recipe.decoder, uniform, seeds, students, is_method=False, note=SAME_UPDATES
            )
        ]
    raise UsageError(
        f"evaluation.baselines: there is no {name!r}", f"use any of {', '.join(_BASELINES)}"
    )


def foreign_entry(synthetic: SyntheticSet, recipe: Recipe) -> Entry:
    """Return the row of a set that came from elsewhere, named by its provenance."""
    made = synthetic.provenance
    return Entry(
        distiller={"name": str(made.get("distiller", "given"))},
        decoder=made.get("decoder", {"name": "-"}),
        weighting={"name": made.get("weighting", "-")},
        num_seeds=1,
        num_students=len(recipe.students),
    )


def draw(run: "Run", entry: Entry, number: int) -> SyntheticSet:
    """Return an entry's set for the seed with this number."""
    seed = run.recipe.seed + (number if run.recipe.evaluation.redraw else 0)
    with run.seeded(seed):
        distiller = run.make(
            "distiller", entry.distiller, decoder=entry.decoder, weighting=entry.weighting
        )
        return distiller.distill(run.images, run)


def fill(run: "Run", rows: list[Entry], protocol_block: Block, bar: Stage) -> list[Result]:
    """Train and measure every cell of a table; finished ones come from the cache."""
    protocol = run.make("protocol", protocol_block)
    results: list[Result] = []
    for entry in rows:
        for number in range(entry.num_seeds):
            synthetic = draw(run, entry, number)
            for block in run.recipe.students[: entry.num_students]:
                seed = run.recipe.seed + number
                cell = Cell(synthetic, block, protocol, seed)
                results.append(result_of(run, entry, cell, student_name(run.recipe, block)))
                bar.advance()
    return results + quoted(run.recipe, protocol)


def quoted(recipe: Recipe, protocol: Protocol) -> list[Result]:
    """Return the published numbers that a recipe asks to see beside its own, marked so."""
    results: list[Result] = []
    for number in recipe.evaluation.quoted:
        if not isinstance(number, dict) or not {"distiller", "student", "top1"} <= number.keys():
            raise UsageError(
                f"evaluation.quoted: {number} is not a number to quote",
                "give {distiller: ..., student: ..., top1: 0.0 to 1.0, images_per_class: ...}",
            )
        unknown = float("nan")
        results.append(
            Result(
                distiller=str(number["distiller"]),
                images_per_class=int(number.get("images_per_class", 0)),
                student=str(number["student"]),
                protocol=protocol.id,
                labels=protocol.labels,
                seed=0,
                set_seed=0,
                top1=float(number["top1"]),
                top5=unknown,
                loss=unknown,
                seconds=unknown,
                peak_memory_mb=unknown,
                note="quoted",
            )
        )
    return results


def result_of(run: "Run", entry: Entry, cell: Cell, name: str) -> Result:
    """Measure a cell and return it as a row of results.csv."""
    measured = measure(run, cell)
    recipe = run.recipe
    numbers: dict[str, Any] = vars(measured)
    return Result(
        **entry.labels(),
        images_per_class=0
        if entry.distiller["name"] == "full"
        else cell.synthetic.images_per_class,
        teacher=recipe.teacher["name"] if cell.protocol.labels == "soft" else "-",
        labels=cell.protocol.labels,
        student=name,
        protocol=cell.protocol.id,
        seed=cell.seed,
        set_seed=cell.seed if recipe.evaluation.redraw else recipe.seed,
        note=entry.note,
        **numbers,
    )


def student_name(recipe: Recipe, block: Block) -> str:
    """Return a student's name, with its settings where two have the same name."""
    same = [b for b in recipe.students if b["name"] == block["name"]]
    if len(same) == 1:
        return block["name"]
    told = {k: v for k, v in block.items() if any(b.get(k) != v for b in same)}
    return f"{block['name']}({', '.join(f'{k}={v}' for k, v in told.items())})"
