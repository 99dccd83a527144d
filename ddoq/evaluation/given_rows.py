"""The rows of given sets, and of what stands beside each: as many images, and all data."""

from ddoq.evaluation.rows import (
    GIVEN,
    NONE,
    Entry,
    keeps_all,
    row_of_everything,
    rows_of_method,
    sized,
)
from ddoq.recipe.checks import UNIFORM
from ddoq.recipe.component import Block
from ddoq.recipe.schema import Recipe
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet


def beside(recipe: Recipe, synthetic: SyntheticSet) -> list[Entry]:
    """Return the recipe's baselines for a given set: with as many images, and all data."""
    size = Size.of(synthetic.provenance)
    lead: Block = {"name": "the set", **Size(synthetic.images_per_class).settings}
    lead |= size.settings if size.is_budget else {}
    blocks = [b for b in recipe.evaluation.baselines if b["name"] != UNIFORM["name"]]
    everything = [b for b in blocks if keeps_all(recipe, b)]
    of_size = [sized(b, lead, None) for b in blocks if b not in everything]
    rows = [rows_of_method(recipe, block, of_size)[0] for block in of_size]
    return [*rows, *(row_of_everything(recipe, block) for block in everything)]


def given_entry(
    synthetic: SyntheticSet, num_seeds: int, num_students: int, name: str = ""
) -> Entry:
    """Return the row of a given set. By default it is named by the set's provenance."""
    made = synthetic.provenance
    decoder: Block = made.get("decoder", NONE)
    return Entry(
        distiller={"name": name or str(made.get("distiller", GIVEN))},
        decoder=decoder,
        weighting={"name": made.get("weighting", "-")},
        num_seeds=num_seeds,
        num_students=num_students,
        redraw=False,
        decoder_name=decoder["name"],
        given=synthetic,
    )
