"""The rows of a table: the methods at every size, and their baselines."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from ddoq.distillers.distiller import Distiller, as_distiller
from ddoq.errors import UsageError
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.checks import UNIFORM
from ddoq.recipe.component import Block, build
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.naming import told_apart
from ddoq.recipe.plugin import expect
from ddoq.recipe.schema import Recipe
from ddoq.recipe.signature import signature
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

GIVEN = "given"
NONE: Block = {"name": "-"}


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
    given: SyntheticSet | None = None
    """A given set, not made by this run."""

    @cached_property
    def made(self) -> Distiller:
        """The distiller, made of its block."""
        return made_of(self.distiller, self.decoder, self.weighting)

    @property
    def size(self) -> Size:
        """The size that the recipe asks for."""
        return Size.of(self.distiller)

    @property
    def labels(self) -> dict[str, str]:
        """The row's labels in the table's columns."""
        return {
            "distiller": self.name or self.distiller["name"],
            "decoder": self.decoder_name,
            "weighting": self.weighting["name"],
        }

    def note(self, wanted: Protocol, used: Protocol) -> str:
        """Return the row's remark: the epochs on all data, or that all seeds share one set.

        `used` is the protocol after its rules for a set of this size.
        """
        if self.given is not None:
            return ""
        if self.made.keeps_all:
            is_ruled = any("epochs" in rule.settings for rule in wanted.rules)
            if wanted.steps is not None:
                return "same updates"
            return f"{used.epochs} epochs" if is_ruled else "same epochs"
        return "one set" if self.made.redraws == "never" and self.num_seeds > 1 else ""


def made_of(distiller: Block, decoder: Block, weighting: Block) -> Distiller:
    """Make a distiller of its block."""
    made = build(KINDS, "distiller", distiller, decoder=decoder, weighting=weighting)
    return as_distiller(made)


def drawn(made: Distiller, run: "Run", seed: int) -> SyntheticSet:
    """Return the set of a distiller for a seed."""
    distill: Any = made.distill
    found = distill(run.images, run, seed)
    expect(isinstance(found, SyntheticSet), distill, "distill", "a SyntheticSet", found)
    return found


def entries(recipe: Recipe) -> list[Entry]:
    """Return the rows of a recipe's table. The method is first, all data are last.

    All rows of a size have equally many images: as many as the recipe's method makes, or each
    number of `evaluation.images_per_class` in turn.
    """
    settings, lead = recipe.evaluation, recipe.distiller
    everything = [b for b in (*settings.distillers, *settings.baselines) if keeps_all(recipe, b)]
    blocks = [lead, *(b for b in settings.distillers if b not in everything)]
    baselines = [b for b in settings.baselines if b not in everything]
    rows: list[Entry] = []
    for number in settings.images_per_class or [None]:
        for of_size in _by_size([sized(block, lead, number) for block in blocks]):
            beside = [_beside(recipe, block, of_size[0], number) for block in baselines]
            # Rows of one distiller are told apart, whether they are methods or baselines.
            named = [*of_size, *(b for b in beside if b != UNIFORM)]
            for block in of_size:
                rows += rows_of_method(recipe, block, named)
            for block in beside:
                rows += _baseline(recipe, block, of_size[0], named)
    rows += [row_of_everything(recipe, like(lead, block)) for block in everything]
    rows = [row for place, row in enumerate(rows) if row not in rows[:place]]
    _refuse_twins(rows)
    return rows


def _refuse_twins(rows: list[Entry]) -> None:
    """Refuse two rows of one name, whose numbers nobody could tell apart."""
    seen: dict[Any, Entry] = {}
    for row in rows:
        name = (*row.labels.values(), row.size)
        if seen.setdefault(name, row) is not row:
            raise UsageError(
                f"two rows would have the name {row.labels['distiller']}",
                "leave one of them out, or name a given set otherwise: {name: given, title: ...}",
            )


def _by_size(methods: list[Block]) -> list[list[Block]]:
    """Group methods by their size. They have one size, but given sets bring their own along."""
    sizes = [Size.of(b if _has_own_size(b) else methods[0]) for b in methods]
    return [
        [b for b, own in zip(methods, sizes, strict=True) if own == size]
        for size in dict.fromkeys(sizes)
    ]


def _has_own_size(block: Block) -> bool:
    """Say whether a block is of a given set whose size is known."""
    return block["name"] == GIVEN and Size.of(block).is_known


def keeps_all(recipe: Recipe, block: Block) -> bool:
    """Say whether a distiller keeps all of the real data."""
    if block["name"] == UNIFORM["name"]:
        return False
    return made_of(block, recipe.decoder, recipe.weighting).keeps_all


def _asked(distiller: Block) -> list[str]:
    """Return which of the recipe's blocks and settings a distiller's constructor asks for."""
    return list(signature(KINDS["distiller"].target("distiller", distiller["name"])).parameters)


def sized(block: Block, lead: Block, number: int | None) -> Block:
    """Return a distiller's block with a number of images per class, or with the lead's size."""
    if number is None and _has_own_size(block):
        return block
    size = Size.of(lead) if number is None else Size(number)
    asked = [name for name in size.settings if name in _asked(block)]
    if size.is_budget and asked == ["images_per_class"]:
        raise UsageError(
            f"{block['name']} cannot spread a budget of {size.budget} images",
            "leave it out of evaluation.distillers and baselines, or set images_per_class",
        )
    if not size.is_known and asked:
        raise UsageError(
            f"{lead['name']} takes no images_per_class, "
            f"so {block['name']} cannot be given its size",
            "say how many its sets have: evaluation.images_per_class=[N], or leave such rows out: "
            "evaluation.baselines=[full]",
        )
    known = {name: size.settings[name] for name in asked}
    # If the lead has no setting of that name, the block keeps its own.
    settings = {k: v for k, v in known.items() if number is not None or k in lead}
    return like(lead, {**block, **settings})


def like(lead: Block, block: Block) -> Block:
    """Return a block that weights classes as the lead does: a table has one rule for all rows."""
    prior = lead.get("class_prior")
    is_asked = prior is not None and "class_prior" in _asked(block)
    return {**block, "class_prior": prior} if is_asked else block


def rows_of_method(recipe: Recipe, block: Block, methods: list[Block]) -> list[Entry]:
    """Return a method's rows: one per decoder, then one per weighting, if it takes these."""
    settings, asked = recipe.evaluation, _asked(block)
    decoders = [recipe.decoder, *(d for d in settings.decoders if d != recipe.decoder)]
    weightings = [recipe.weighting, *(w for w in settings.weightings if w != recipe.weighting)]
    pairs = product(
        weightings if "weighting" in asked else [NONE], decoders if "decoder" in asked else [NONE]
    )
    made = made_of(block, recipe.decoder, recipe.weighting)
    redraws = made.redraws
    return [
        Entry(
            block,
            decoder,
            weighting,
            settings.seeds,
            len(recipe.students),
            # The seed determines every random subset too.
            redraws == "always" or (redraws == "if asked" and settings.redraw),
            made.title or told_apart("distiller", block, methods),
            told_apart("decoder", decoder, decoders) if "decoder" in asked else "-",
        )
        for weighting, decoder in pairs
    ]


def _beside(recipe: Recipe, block: Block, lead: Block, number: int | None) -> Block:
    """Return a baseline's block with the size of the rows that it stands beside."""
    if block["name"] == UNIFORM["name"]:
        return UNIFORM
    return sized(block, lead if _has_own_size(lead) else recipe.distiller, number)


def _baseline(recipe: Recipe, block: Block, lead: Block, named: list[Block]) -> list[Entry]:
    """Return a baseline's row, of any distiller or of `uniform`: the method's images unweighted."""
    if block == UNIFORM:
        first = rows_of_method(recipe, lead, named)[0]
        return [replace(first, weighting=UNIFORM)] if first.weighting != NONE else []
    return rows_of_method(recipe, block, named)[:1]


def row_of_everything(recipe: Recipe, block: Block) -> Entry:
    """Return the row of a distiller that keeps all data: fewer seeds and students."""
    settings = recipe.evaluation
    students = min(settings.full_students, len(recipe.students))
    return Entry(block, NONE, NONE, settings.full_seeds, students)
