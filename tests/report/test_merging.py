"""Are runs put in one table exactly if they were measured alike?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ddoq.report.finished import FinishedRun
from ddoq.report.merging import differences, merged
from tests.report.conftest import content, trainings

Maker = Callable[..., Path]


def read(*folders: Path) -> list[FinishedRun]:
    return [FinishedRun.read(folder) for folder in folders]


def test_equal_trainings_count_once_and_other_sizes_join_them(make_run: Maker):
    [group] = merged(read(make_run("a", trainings((1,))), make_run("b", trainings((1, 10)))))
    assert group.names == ("a", "b")
    assert len(group.results) == len(trainings((1, 10)))
    assert {r.note for r in group.results} == {""}


def test_rows_that_differ_name_their_run(make_run: Maker):
    other = [replace(r, top1=r.top1 + 0.01 * (r.distiller == "ddoq")) for r in trainings((1,))]
    [group] = merged(read(make_run("a", trainings((1,))), make_run("b", other)))
    assert {(r.distiller, r.note) for r in group.results} == {
        *(("ddoq", "a"), ("ddoq", "b"), ("random", ""), ("full", "")),
    }


def test_runs_that_were_measured_otherwise_are_not_compared(make_run: Maker):
    changed = {**content()["comparable"], "students": "other", "split": "val"}
    runs = read(make_run("a"), make_run("b", comparable=changed))
    assert merged(runs) == []
    assert differences(runs) == ["b: another split to measure on, other students than a"]


def test_a_run_that_does_not_say_how_it_was_measured_is_not_compared(make_run: Maker):
    runs = read(make_run("a"), make_run("b", comparable=None))
    assert merged(runs) == []
    assert differences(runs)[0].startswith("b: it is not known whether it was measured alike")


def test_one_name_for_two_methods_is_told_apart_by_the_run_also_at_other_seeds(make_run: Maker):
    row = {"distiller": "ddoq", "weighting": "root", "decoder": "plain"}
    later = [replace(r, seed=r.seed + 10, set_seed=r.set_seed + 10) for r in trainings((1,))]
    for keys, notes in ((("1", "2"), {"a", "b"}), (("1", "1"), {""})):
        first, second = (
            make_run(f"{place}{''.join(keys)}", of, rows=[{**row, "key": key}])
            for place, of, key in zip("ab", (trainings((1,)), later), keys, strict=True)
        )
        [group] = merged([FinishedRun.read(first, "a"), FinishedRun.read(second, "b")])
        assert {r.note for r in group.results if r.distiller == "ddoq"} == notes
        assert {r.note for r in group.results if r.distiller == "random"} == {""}
