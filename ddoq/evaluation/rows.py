"""Which rows stand in a table? The methods at every size, and what they are compared with."""

from dataclasses import dataclass, replace
from itertools import product

from ddoq.errors import UsageError
from ddoq.evaluation.naming import told_apart
from ddoq.protocols.protocol import Protocol
from ddoq.recipe import Recipe
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.signature import signature
from ddoq.synthetic import SyntheticSet

# They make the same set for every seed.
FIXED = ("herding", "k_center")

_NONE: Block = {"name": "-"}
_UNIFORM: Block = {"name": "uniform"}


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
    name: str = ""
    decoder_name: str = "-"

    def labels(self) -> dict[str, str]:
        """Return what the row is called in the table's columns."""
        return {
            "distiller": self.name or self.distiller["name"],
            "decoder": self.decoder_name,
            "weighting": self.weighting["name"],
        }

    def note(self, wanted: Protocol, used: Protocol) -> str:
        """Say what has to be known: how long the full data are trained on, or that a set is one.

        `used` is what the protocol is for a set of this size.
        """
        if self.distiller["name"] in FIXED and self.num_seeds > 1:
            return "one set"
        if self.distiller["name"] != "full":
            return ""
        if wanted.steps is not None:
            return "same updates"
        is_ruled = any("epochs" in rule.settings for rule in wanted.rules)
        return f"{used.epochs} epochs" if is_ruled else "same epochs"


def entries(recipe: Recipe) -> list[Entry]:
    """Return the rows of a recipe's table, the method first, the full data last.

    All rows of a size have as many images: those of the recipe's method, or each number of
    `evaluation.images_per_class` in turn.
    """
    settings, lead = recipe.evaluation, recipe.distiller
    blocks = [lead, *(b for b in settings.distillers if b["name"] != "full")]
    rows: list[Entry] = []
    for number in settings.images_per_class or [None]:
        of_size = [sized(block, lead, number) for block in blocks]
        for block in of_size:
            rows += _method(recipe, block, of_size)
        for block in settings.baselines:
            rows += _baseline(recipe, block, of_size[0], number)
    if any(b["name"] == "full" for b in (*settings.distillers, *settings.baselines)):
        rows.append(_full(recipe))
    return [row for place, row in enumerate(rows) if row not in rows[:place]]


def _asked(distiller: Block) -> list[str]:
    """Return which of the recipe's blocks and settings a distiller's constructor asks for."""
    return list(signature(KINDS["distiller"].target("distiller", distiller["name"])).parameters)


def sized(block: Block, lead: Block, number: int | None) -> Block:
    """Return a distiller's block with a number of images per class, or the lead's size."""
    size = {k: lead[k] for k in ("images_per_class", "budget") if k in lead}
    if number is not None:
        size = {"images_per_class": number, "budget": None}
    asked = _asked(block)
    if size.get("budget") is not None and "images_per_class" in asked and "budget" not in asked:
        raise UsageError(
            f"{block['name']} cannot spread a budget of {lead['budget']} images",
            "leave it out of evaluation.distillers and baselines, or set images_per_class",
        )
    if all(v is None for v in size.values()) and "images_per_class" in asked:
        raise UsageError(
            f"{lead['name']} takes no images_per_class, "
            f"so {block['name']} cannot be given its size",
            "say how many its sets have: evaluation.images_per_class=[N], or leave such rows out: "
            "evaluation.baselines=[full]",
        )
    return {**block, **{k: v for k, v in size.items() if k in asked}}


def _method(recipe: Recipe, block: Block, methods: list[Block]) -> list[Entry]:
    """Return a method's rows: each decoder, then each weighting, if it asks for them."""
    settings, asked = recipe.evaluation, _asked(block)
    decoders = [recipe.decoder, *(d for d in settings.decoders if d != recipe.decoder)]
    weightings = [recipe.weighting, *(w for w in settings.weightings if w != recipe.weighting)]
    pairs = product(
        weightings if "weighting" in asked else [_NONE], decoders if "decoder" in asked else [_NONE]
    )
    return [
        Entry(
            block,
            decoder,
            weighting,
            settings.seeds,
            len(recipe.students),
            # A seed stands for every random subset too.
            (settings.redraw or block["name"] == "random") and block["name"] not in FIXED,
            told_apart("distiller", block, methods),
            told_apart("decoder", decoder, decoders) if "decoder" in asked else "-",
        )
        for weighting, decoder in pairs
    ]


def _baseline(recipe: Recipe, block: Block, lead: Block, number: int | None) -> list[Entry]:
    """Return a baseline's row; that of the full data comes later, once."""
    if block["name"] == "full":
        return []
    if block["name"] == "uniform":
        first = _method(recipe, lead, [lead])[0]
        return [replace(first, weighting=_UNIFORM)] if first.weighting != _NONE else []
    of_size = sized(block, recipe.distiller, number)
    return _method(recipe, of_size, [of_size])[:1]


def _full(recipe: Recipe) -> Entry:
    settings = recipe.evaluation
    students = min(settings.full_students, len(recipe.students))
    return Entry({"name": "full"}, _NONE, _NONE, settings.full_seeds, students)


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


def student_name(recipe: Recipe, block: Block) -> str:
    """Return a student's name, with its settings where two have the same name."""
    return told_apart("student", block, recipe.students)
