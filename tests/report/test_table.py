import io
from itertools import pairwise

import pytest
from rich.console import Console

from ddoq.evaluation.results import Results, ordered
from ddoq.evaluation.score import Comparison, Result, Row, Score
from ddoq.report.comparisons import in_words, p_text
from ddoq.report.table import Sheet, sheets

OURS = Row("ddoq", 10, "root", "plain")
FULL = Row("full", 144, note="same updates")
ROWS = [Row("random", 10), FULL, OURS, Row("ddoq", 10, "uniform", "plain"), Row("d4m", 10)]
ROWS += [Row("ddoq", 10, "root", "stable_diffusion")]
COSTS = {"top5": 1.0, "loss": 0.1, "seconds": 1.0, "peak_memory_mb": 1.0}
STUDENTS = ("convnet", "timm/test_resnet", "timm/test_vit")


def run(row: Row, student: str, seed: int, **changes: object) -> Result:
    top1 = 0.9 + 0.01 * seed - 0.03 * len(student) / 10 + 0.003 * (len(row.name) * seed % 7)
    measured = {**COSTS, "labels": "soft", "top1": top1}
    where = {"student": student, "protocol": "small", "seed": seed, "set_seed": seed}
    return Result(**{**vars(row), **measured, **where, **changes})


def everything(students: tuple[str, ...] = STUDENTS, **changes: object) -> list[Result]:
    partial = [run(FULL, students[0], 0, **changes)]
    rows = [row for row in ROWS if row != FULL]
    return partial + [
        run(r, s, seed, **changes) for r in rows for s in students for seed in range(3)
    ]


def sheet(results: list[Result]) -> Sheet:
    return sheets(Results(results), data="digits", num_test_images=360)[0]


def comparisons(results: list[Result]) -> list[Comparison]:
    return Results(results).only.comparisons


def shown(sheet: Sheet, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(sheet)
    return stream.getvalue()


def test_rows_run_from_the_method_to_the_full_data():
    assert [
        (r.distiller, r.weighting, r.decoder) for r in ordered(r.row for r in everything())
    ] == [
        ("ddoq", "root", "plain"),
        ("ddoq", "root", "stable_diffusion"),
        ("ddoq", "uniform", "plain"),
        ("d4m", "-", "-"),
        ("random", "-", "-"),
        ("full", "-", "-"),
    ]


def test_smaller_sets_come_first_and_full_data_once_at_the_end():
    rows = [Row("random", 50), FULL, Row("ddoq", 50), Row("random", 1), Row("ddoq", 1)]
    found = ordered(rows)
    assert [(r.distiller, r.images_per_class) for r in found[:-1]] == [
        *(("ddoq", 1), ("random", 1), ("ddoq", 50), ("random", 50)),
    ]
    assert found[-1] == FULL


def test_a_line_separates_real_images_from_distilled_ones():
    lines = sheet(everything()).lines
    assert [line.row.distiller for line in lines if line.starts_section] == ["random"]


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut(width: int):
    found = sheet(everything())
    words = shown(found, width).split()
    for line in found.lines:
        for score in filter(None, (*line.scores, line.mean)):
            assert any(pair == tuple(score.text.split(" ", 1)) for pair in _numbers(words))


def _numbers(words: list[str]) -> list[tuple[str, str]]:
    joined = " ".join(words).replace("± ", "±").split()
    return [(a, b.replace("±", "± ")) for a, b in pairwise(joined)]


@pytest.mark.parametrize(("width", "num_students"), [(80, 3), (80, 5), (120, 8)])
def test_the_table_fits_the_terminal(width: int, num_students: int):
    students = tuple(f"timm/test_net_{i}" for i in range(num_students))
    text = shown(sheet(everything(students)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_more_students_than_fit_put_the_interval_below_the_mean():
    found = sheet(everything(tuple(f"net{i}" for i in range(7))))
    (score,) = {line.scores[0] for line in found.lines if line.row == OURS}
    text = shown(found, 80)
    assert score
    assert score.text not in text
    assert score.text.split(" ")[0] in text
    assert score.margin in text


def test_a_name_is_text_and_not_markup():
    assert "[red]net" in shown(sheet(everything(("[red]net",))), 80)


def test_a_mean_over_fewer_students_is_not_shown():
    full = sheet(everything()).lines[-1]
    assert (full.mean, full.text(full.mean), full.runs) == (None, "-", "1")


def test_a_quoted_number_has_no_n_of_ours():
    results = [*everything(), run(Row("sre2l", 10, note="quoted"), "convnet", 0, top1=0.81)]
    (line,) = (line for line in sheet(results).lines if line.row.note == "quoted")
    assert (line.name, line.text(line.scores[0]), line.runs) == ("sre2l (quoted)", "81.0", "-")


def test_the_caption_says_whether_the_set_was_redrawn():
    assert "over n runs; 3 seeds; last epoch; test images 360" in sheet(everything()).caption
    assert "one set, 3 seeds of the students" in sheet(everything(set_seed=0)).caption


def test_each_protocol_has_its_own_table():
    results = everything() + everything(protocol="fkd", labels="hard")
    titles = [s.title for s in sheets(Results(results), data="digits", num_test_images=1)]
    assert titles == [
        "digits · protocol small · soft labels",
        "digits · protocol fkd · hard labels",
    ]


def test_the_leading_row_is_compared_with_all_others_but_quoted_ones():
    results = [*everything(), run(Row("sre2l", 10, note="quoted"), "convnet", 0)]
    found = comparisons(results)
    assert {c.a for c in found} == {OURS}
    assert {c.b for c in found} == {*ROWS} - {OURS}


def test_only_real_images_leave_nothing_to_compare():
    assert comparisons([run(Row("random", 10), "a", 0), run(FULL, "a", 0)]) == []


@pytest.mark.parametrize(
    ("values", "p", "adjusted", "words"),
    [
        ((0.10, 0.11, 0.12), 0.003, 0.01, "better"),
        ((-0.10, -0.11, -0.12), 0.003, 0.01, "worse"),
        ((0.10, 0.11, 0.12), 0.03, 0.09, "better (uncorrected)"),
        ((0.1, -0.1, 0.0), 1.0, 1.0, "no difference shown"),
        ((0.1,), None, None, "one seed, no test"),
        ((0.1, 0.1), None, None, "no spread, no test"),
    ],
)
def test_verdicts_are_plain_words(values, p, adjusted, words):
    assert in_words(Comparison(OURS, FULL, Score(values), p, adjusted)) == words


def test_p_values_are_short():
    assert [p_text(p) for p in (None, 0.0002, 0.0314)] == ["-", "<0.001", "0.031"]


def test_a_protocol_that_takes_a_sets_own_rate_says_so_in_its_caption():
    [plain], [own] = (
        sheets(Results(everything(**c)), data="digits", num_test_images=9)
        for c in ({}, {"uses_hints": "lr"})
    )
    assert own.caption == f"{plain.caption}; lr: THE SET'S OWN, where it brings them along"


def test_a_terminal_too_narrow_for_a_table_gets_a_list():
    found = sheet(everything())
    text = shown(found, 40)
    assert max(map(len, text.splitlines())) <= 40
    for score in found.lines[0].scores:
        assert score
        assert f": {score.text}" in text
    assert "ddoq (root, plain), 10 per class, n=3" in text
    assert "no difference shown" in text or "better" in text


def test_the_caption_of_validation_images_says_so():
    found = sheets(Results(everything()), data="digits", num_test_images=126, split="val")[0]
    assert "; validation images 126" in found.caption


def test_a_quoted_network_that_was_not_run_leaves_the_means_of_ours():
    quoted = run(Row("sre2l", 10, note="quoted"), "resnet18", 0, top1=0.81)
    with_quoted, without = sheet([*everything(), quoted]), sheet(everything())
    means = {line.row: line.mean for line in with_quoted.lines}
    assert means.pop(quoted.row) is None
    assert means == {line.row: line.mean for line in without.lines}
    assert any(means.values())
