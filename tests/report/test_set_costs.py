"""Does a set's cost say how long it took to make, and how large it is?"""

from dataclasses import replace
from io import StringIO
from math import nan

from rich.console import Console

from ddoq.evaluation.results import Results
from ddoq.report.set_costs import SetCost, set_costs, shown
from tests.report.test_files import RUN

SOFT = replace(RUN, set_bytes=2e6, set_seconds=30.0)
HARD = replace(SOFT, protocol="small_hard", labels="hard", set_bytes=5e4)
QUICK = replace(RUN, distiller="random", weighting="-", decoder="-", set_seconds=nan)


def printed(costs: list[SetCost], width: int) -> str:
    stream = StringIO()
    Console(file=stream, width=width).print(shown(costs))
    return stream.getvalue()


def test_a_set_counts_once_however_many_were_trained_on_it():
    students = [replace(SOFT, student="other"), SOFT]
    second = replace(SOFT, seed=1, set_seed=1, set_seconds=60.0)
    [cost] = set_costs(Results([*students, second]))
    assert (cost.seconds, cost.time) == (45.0, "45 s")


def test_stored_labels_are_part_of_the_size():
    costs = set_costs(Results([SOFT, QUICK, HARD]))
    assert [c.size for c in costs] == ["50.0 kB to 2.0 MB", "5.0 MB"]


def test_all_data_and_quoted_rows_cost_nothing_that_is_known():
    full = replace(RUN, distiller="full", images_per_class=0)
    published = replace(RUN, distiller="dm", note="quoted", set_bytes=nan)
    assert [c.row.distiller for c in set_costs(Results([RUN, full, published]))] == ["ddoq"]


def test_a_terminal_shows_them_if_a_set_took_long():
    assert shown(set_costs(Results([replace(SOFT, set_seconds=1.0), QUICK]))) is None
    long = set_costs(Results([SOFT, QUICK]))
    assert "what one set costs" in printed(long, 100)
    assert "30 s" in printed(long, 100)
    assert "in the report" in printed(long, 30).replace("\n", " ")
