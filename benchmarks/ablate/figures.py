"""How are numbers written in the tables?"""

import math

from benchmarks.ablate.means import Mean

ABSENT = "-"


def figure(number: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, without an exponent.

    >>> figure(1234.56), figure(0.0123456), figure(-71.254)
    ('1235', '0.01235', '-71.25')
    """
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    return f"{number:.{max(0, digits - 1 - math.floor(math.log10(abs(number))))}f}"


def percent(share: float) -> str:
    """Write a change with its sign.

    >>> percent(-0.125)
    '-12.5 %'
    """
    # Adding zero makes -0.0 positive.
    return f"{round(100 * share, 1) + 0.0:+.1f} %"


def mean(average: Mean | None, digits: int = 4) -> str:
    """Write a mean, with its standard deviation over seeds if there are several."""
    if average is None:
        return ABSENT
    written = figure(average.value, digits)
    return written if average.spread is None else f"{written} ± {figure(average.spread, 2)}"
