"""Are the losses of learned sets kept for the page?"""

from ddoq import recipe
from ddoq.evaluation.curves import LEARNED, curves_of
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.missing_sets import learn_missing
from ddoq.run import Run


def test_each_learned_row_has_the_curve_of_its_first_set() -> None:
    learned = "{name: dm, images_per_class: 2, steps: 3, batch_size: 4}"
    rows = ["evaluation.baselines=[random]", "evaluation.seeds=2", "evaluation.workers=1"]
    command = ["recipe=digits", f"distiller={learned}", "cache=curves", *rows]
    grid = Grid.of(Run(recipe.read([*command, "students=[{name: convnet, depth: 1}]"]).recipe))
    learn_missing(grid)
    [curve] = [c for c in curves_of(grid) if c.protocol == LEARNED]
    assert curve.row == "dm, 2 per class"
    assert len(curve.losses) == curve.num_steps == 3
