"""Times for people."""


def duration(seconds: int | float) -> str:
    """Return a time in seconds below 90 s, in minutes below 90 minutes, and else in hours.

    >>> duration(0.01), duration(4.25), duration(72), duration(200), duration(7260)
    ('<0.1 s', '4.2 s', '72 s', '3.3 min', '2 h')
    """
    if 0 < seconds < 0.05:
        return "<0.1 s"
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds / 3600)} h"


def _short(number: int | float) -> str:
    """Return a number with one digit after the point if it is below 10, and without `.0`."""
    text = f"{number:.1f}" if number < 9.95 else f"{number:.0f}"
    return text.removesuffix(".0")
