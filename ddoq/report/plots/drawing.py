"""What all plots share: matplotlib's SVG, made to live in a page.

Text stays text, colors are the page's variables (light and dark), names are unique to a figure, and
the same figure has the same bytes.
"""

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches. At this width the text is readable on a phone, whose page is about as wide.
WIDTH = 4.2
# The palette of Okabe and Ito, which the color-blind can tell apart. The page has a lighter
# version of it for dark screens. Shapes and dashes tell series apart too.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 3)), (0, (8, 2)))
# Stand-ins for the page's own colors: of text, of less important text, of lines.
INK, SOFT, LINE = "#010101", "#020202", "#030303"
_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    **{color: f"var(--c{i})" for i, color in enumerate(COLORS)},
}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ddoq",
    "font.size": 9.5,
    "text.color": INK,
    # A class may be named $x_1$.
    "text.parse_math": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "grid.color": LINE,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.markersize": 4.5,
}


def color(number: int) -> str:
    """Return the color of a series."""
    return COLORS[number % len(COLORS)]


def marker(number: int) -> str:
    """Return the shape of a series' marks."""
    return MARKERS[number % len(MARKERS)]


def dashes(number: int) -> Any:
    """Return the dashes of a series' line."""
    return DASHES[number % len(DASHES)]


def drawn(name: str, alt: str, height: float, draw: Callable[["Axes"], None]) -> str:
    """Return a figure as SVG for a page.

    Args:
        name: Letters, digits and dashes, unique in the page. All names in the SVG begin with it.
        alt: What the figure shows, for those who cannot see it.
        height: In inches.
        draw: Draws on the axes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    stream = io.StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The page's reader has typefaces for glyphs that matplotlib's lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.subplots())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    return _for_page(stream.getvalue(), name, alt)


def _for_page(svg: str, name: str, alt: str) -> str:
    """Make a standalone SVG a part of a page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box
    head = f'<svg class="plot" role="img" aria-label="{escape(alt)}" {box[0]}>'
    svg = re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)
    svg = re.sub(r"\bid=\"", f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r"(?:xlink:)?href=\"#", f'href="#{name}-', svg)
    # The page chooses the typeface.
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r" ?font-family: [^;\"]*;?", "", svg)
    for known, variable in _VARIABLES.items():
        svg = svg.replace(known, variable)
    return svg.strip()
