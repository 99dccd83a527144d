"""Sizes of files for people."""


def byte_size(number: int | float) -> str:
    """Return a size in words.

    >>> byte_size(820), byte_size(61_234), byte_size(2_500_000_000)
    ('820 B', '61.2 kB', '2.5 GB')
    """
    size, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"
