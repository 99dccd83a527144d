"""What do the laws look like? Points and fitted lines on two logarithmic axes."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.theory.finding import Finding, Plot
from ddoq.files.artifacts import replacing

_MARKERS = "osD^"


def write_plots(folder: Path, findings: list[Finding]) -> list[Path]:
    """Write `NAME.png` for every finding that has a plot."""
    written: list[Path] = []
    for finding in findings:
        if finding.plot:
            file = folder / f"{finding.name.replace(' ', '_')}.png"
            _write(file, finding.plot)
            written.append(file)
    return written


def _write(file: Path, plot: Plot) -> None:
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    # The canvas draws without a display, and leaves the user's backend as it is.
    canvas = FigureCanvasAgg(figure)
    _draw(figure.add_subplot(), plot)
    figure.legend(loc="outside lower center", ncols=2, fontsize=12)
    with replacing(file) as temporary, temporary.open("wb") as stream:
        canvas.print_figure(stream, format="png", dpi=150)


def _draw(axes: Axes, plot: Plot) -> None:
    for number, curve in enumerate(plot.curves):
        color = f"C{number}"
        label = f"{curve.label}: slope {curve.slope:.3f}"
        axes.plot(curve.x, curve.fitted, color=color, alpha=0.6)
        axes.plot(curve.x, curve.y, _MARKERS[number], color=color, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_title(plot.title, fontsize=14)
    axes.set_xlabel(plot.x_label, fontsize=13)
    axes.set_ylabel(plot.y_label, fontsize=13)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=12)
    axes.grid(alpha=0.3)
