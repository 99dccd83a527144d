"""Which trainings stand in a table? The method, what it is compared with, and how often."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddoq.component import Block
from ddoq.console import Stage
from ddoq.errors import UsageError
from ddoq.evaluation.cell import Cell, measure
from ddoq.evaluation.protocols import Protocol
from ddoq.evaluation.score import Result
from ddoq.kinds import KINDS
from ddoq.recipe import Recipe
from ddoq.signature import signature
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_BASELINES = ("uniform", "random", "full")
_NONE = {"name": "-"}


@dataclass(frozen=True)
class Entry:
    """One row of a table: how its set is made, and how much is trained on it."""

    distiller: Block
    decoder: Block
    weighting: Block
    num_seeds: int
    num_students: int
    redraw: bool = True
    """Whether each seed has a set of its own."""
    decoder_name: str = "-"

    def labels(self) -> dict[str, str]:
        """Return what the row is called in the table's columns."""
        return {
            "distiller": self.distiller["name"],
            "decoder": self.decoder_name,
            "weighting": self.weighting["name"],
        }

    def note(self, protocol: Protocol) -> str:
        """Say how the length of a training on the full data compares with the method's."""
        if self.distiller["name"] != "full":
            return ""
        return "same updates" if protocol.steps is not None else "same epochs"


def entries(recipe: Recipe) -> list[Entry]:
    """Return the rows of a recipe's table, the method first."""
    settings = recipe.evaluation
    decoders = [recipe.decoder, *(d for d in settings.decoders if d != recipe.decoder)]
    rows = [_method(recipe, decoder, recipe.weighting) for decoder in decoders]
    if "decoder" not in _asked(recipe.distiller):
        rows = rows[:1]
    for name in settings.baselines:
        rows += _baseline(recipe, name)
    return rows


def _asked(distiller: Block) -> list[str]:
    """Return which of the recipe's blocks a distiller's constructor asks for."""
    return list(signature(KINDS["distiller"].target("distiller", distiller["name"])).parameters)


def _method(recipe: Recipe, decoder: Block, weighting: Block) -> Entry:
    settings, asked = recipe.evaluation, _asked(recipe.distiller)
    decoders = [recipe.decoder, *settings.decoders]
    return Entry(
        recipe.distiller,
        decoder,
        weighting if "weighting" in asked else _NONE,
        settings.seeds,
        len(recipe.students),
        settings.redraw,
        told_apart(decoder, decoders) if "decoder" in asked else "-",
    )


def _baseline(recipe: Recipe, name: str) -> list[Entry]:
    settings, n = recipe.evaluation, len(recipe.students)
    if name == "uniform":
        uniform = {"name": "uniform"}
        is_other = recipe.weighting != uniform and "weighting" in _asked(recipe.distiller)
        return [_method(recipe, recipe.decoder, uniform)] if is_other else []
    if name == "random":
        if recipe.distiller["name"] == "random":
            return []
        number = recipe.distiller.get("images_per_class", 10)
        budget = recipe.distiller.get("budget")
        block = {"name": "random", "images_per_class": number, "budget": budget}
        # Always drawn anew: a seed stands for every random subset too.
        return [Entry(block, _NONE, _NONE, settings.seeds, n)]
    if name == "full":
        students = min(settings.full_students, n)
        return [Entry({"name": "full"}, _NONE, _NONE, settings.full_seeds, students)]
    raise UsageError(
        f"evaluation.baselines: there is no {name!r}", f"use any of {', '.join(_BASELINES)}"
    )


def foreign_entry(synthetic: SyntheticSet, recipe: Recipe) -> Entry:
    """Return the row of a set that came from elsewhere, named by its provenance."""
    made = synthetic.provenance
    decoder: Block = made.get("decoder", _NONE)
    return Entry(
        distiller={"name": str(made.get("distiller", "given"))},
        decoder=decoder,
        weighting={"name": made.get("weighting", "-")},
        num_seeds=1,
        num_students=len(recipe.students),
        redraw=False,
        decoder_name=decoder["name"],
    )


def set_seed(recipe: Recipe, entry: Entry, number: int) -> int:
    """Return the seed that an entry's set is drawn with for the seed with this number."""
    return recipe.seed + (number if entry.redraw else 0)


def draw(run: "Run", entry: Entry, number: int) -> SyntheticSet:
    """Return an entry's set for the seed with this number."""
    with run.seeded(set_seed(run.recipe, entry, number)):
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
    """Return the published numbers that a recipe asks to see beside its own, marked so.

    A number that names a protocol stands in the tables of that protocol alone.
    """
    wanted = (protocol.id, protocol.id.split("+")[0], None)
    unknown = float("nan")
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
            top5=unknown,
            loss=unknown,
            seconds=unknown,
            peak_memory_mb=unknown,
            note="quoted",
        )
        for number in recipe.evaluation.quoted
        if number.get("protocol") in wanted
    ]


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
        set_seed=set_seed(recipe, entry, cell.seed - recipe.seed),
        note=entry.note(cell.protocol),
        **numbers,
    )


def student_name(recipe: Recipe, block: Block) -> str:
    """Return a student's name, with its settings where two have the same name."""
    return told_apart(block, recipe.students)


def told_apart(block: Block, blocks: list[Block]) -> str:
    """Return a block's name, with what sets it apart from others of the same name."""
    same = [b for b in blocks if b["name"] == block["name"] and b != block]
    told = {k: v for k, v in block.items() if any(b.get(k) != v for b in same)}
    return (
        f"{block['name']}({', '.join(f'{k}={v}' for k, v in told.items())})"
        if told
        else block["name"]
    )
