"""The choice among a method's variants: for each size, the best on validation images."""

from collections.abc import Sequence
from math import isnan
from statistics import fmean

from ddoq.evaluation.score import Result, Row


def method_of(row: Row) -> str:
    """Return the method of a row, without the settings that distinguish its variants.

    >>> method_of(Row("ddoq(solver=d4m)", 10))
    'ddoq'
    """
    return row.distiller.split("(")[0]


def chosen(results: Sequence[Result], method: str) -> dict[int, Row]:
    """Return, for each size, the method's row with the best mean accuracy on validation images.

    The mean is over students and seeds. Rows with fewer runs than others are left out.
    """
    runs: dict[Row, list[float]] = {}
    for result in results:
        if method_of(result.row) == method and not isnan(result.val_top1):
            runs.setdefault(result.row, []).append(result.val_top1)
    best: dict[int, Row] = {}
    for size in dict.fromkeys(row.images_per_class for row in runs):
        own = {row: values for row, values in runs.items() if row.images_per_class == size}
        most = max(map(len, own.values()))
        full = {row: fmean(values) for row, values in own.items() if len(values) == most}
        best[size] = max(full, key=full.__getitem__)
    return best
