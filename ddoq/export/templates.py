"""Filling in of the texts that an export contains."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ddoq.export", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Nothing here is HTML. The card escapes what others named itself.
        autoescape=False,
    )
    environment.filters["cell"] = cell
    return environment


def rendered(template: str, values: Mapping[str, Any], *, is_file: bool = False) -> str:
    """Return a template, or a file of this folder that is one, with values filled in."""
    environment = _environment()
    made = environment.get_template(template) if is_file else environment.from_string(template)
    return made.render(values)


# What Markdown reads as markup. An underscore within a word is none.
_MARKUP = re.compile(r"([\\`*\[\]!~|]|(?<![^\W_])_|_(?![^\W_]))")


def cell(text: str) -> str:
    r"""Return text that is one cell of a Markdown table, and no markup.

    >>> cell("a_b|c <script>\n")
    'a_b\\|c &lt;script&gt; '
    """
    plain = "".join(c if c.isprintable() else " " for c in text)
    harmless = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", harmless)
