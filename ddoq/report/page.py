"""The page of one run or of several: one offline HTML file, without script."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.display.byte_size import byte_size
from ddoq.display.duration import duration
from ddoq.evaluation.curves import LEARNED
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import ABSENT
from ddoq.files.artifacts import replacing
from ddoq.report.comparisons import in_words, p_text
from ddoq.report.finished import FinishedRun
from ddoq.report.glossary import GLOSSARY
from ddoq.report.heat import heat_maps
from ddoq.report.merging import differences, merged
from ddoq.report.pictures import Gallery
from ddoq.report.points import certified
from ddoq.report.set_costs import CAPTION as SET_COSTS
from ddoq.report.set_costs import set_costs
from ddoq.report.table import Sheet, across, sheets
from ddoq.report.verdict import figures_of_row, verdicts

if TYPE_CHECKING:
    from markupsafe import Markup

# The mark by which a page is known as ours.
GENERATOR = "ddoq report"
# The most classes in a plot of distances: those with the greatest.
_MOST_CLASSES = 30


@dataclass(frozen=True)
class ShownTable:
    """One table of results, with its plot."""

    sheet: Sheet
    plot: str | None

    @property
    def has_one_size(self) -> bool:
        """Whether all sets have equally many images per class."""
        return len({line.size for line in self.sheet.lines} - {"all"}) <= 1


def write_page(file: Path, runs: Sequence[FinishedRun]) -> None:
    """Write the page of one run, or of several."""
    text = _environment().get_template("page.html.j2").render(**_content(runs))
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ddoq.report", "sections"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration, words=in_words, p=p_text, size=byte_size, code=code
    )
    environment.filters.update(joined=joined, breakable=breakable)
    return environment


def _content(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    several = len(runs) > 1
    groups = [
        {
            "title": " and ".join(g.names),
            "tables": tables(g.results, g.data, g.num_test_images, f"g{i}", split=g.split),
            "sizes": _sizes(g.results, f"g{i}"),
        }
        for i, g in enumerate(merged(runs))
    ]
    return {
        "title": f"{len(runs)} runs compared" if several else runs[0].title,
        "generator": GENERATOR,
        "several": several,
        "runs": [_run(run, f"r{i}") for i, run in enumerate(runs)],
        "groups": groups,
        "differences": differences(runs) if several else [],
        "glossary": GLOSSARY,
        "set_costs_caption": SET_COSTS,
    }


def _run(run: FinishedRun, prefix: str) -> dict[str, Any]:
    """Return what the templates show of a run. What is not known is empty."""
    content, summary = run.content, run.summary
    plots = _plots(run, prefix)
    return {
        "id": prefix,
        "name": run.name,
        "title": run.title,
        "data": run.data,
        "answer": run.answer,
        "verdicts": verdicts(run.results),
        "tables": tables(
            run.results,
            run.data,
            content.get("num_test_images", 0),
            prefix,
            split=summary.get("split"),
            is_across=content.get("across", False),
        ),
        "metrics": summary.get("metrics", ()),
        "galleries": [Gallery.read(plain) for plain in content.get("pictures", ())],
        "maps": heat_maps(run.results),
        "pushed": content.get("pushed"),
        "not_pushed": content.get("not_pushed", ""),
        "certificates": summary.get("certificates", ()),
        "certified": certified(summary.get("set") or {}),
        "stages": summary.get("stages", ()),
        "set_costs": set_costs(run.results),
        "recipe": content.get("recipe", ""),
        "environment": content.get("environment", {}),
        **plots,
        "is_near": bool(
            plots["distances"]
            or content.get("pushed")
            or content.get("not_pushed")
            or summary.get("certificates")
        ),
    }


def tables(
    results: Results,
    data: str,
    num_test_images: int,
    prefix: str,
    *,
    split: str | None,
    is_across: bool = False,
) -> list[ShownTable]:
    """Return a table for each protocol and teacher and, if asked for, one over all."""
    from ddoq.report.plots.scores import scores

    shown = sheets(results, data=data, num_test_images=num_test_images, split=split)
    made = [
        ShownTable(sheet, scores(sheet, f"{prefix}-scores{i}")) for i, sheet in enumerate(shown)
    ]
    if is_across and len(shown) > 1:
        made.append(ShownTable(across(results, data=data), None))
    return made


def _plots(run: FinishedRun, prefix: str) -> dict[str, Any]:
    from ddoq.report.plots.latents import latents
    from ddoq.report.plots.masses import masses

    of_class, shares = run.content.get("map"), run.content.get("masses")
    return {
        "sizes": _sizes(run.results, prefix),
        "map": (of_class, latents(of_class, f"{prefix}-map")) if of_class else None,
        "masses": masses(shares, f"{prefix}-masses") if shares else "",
        "distances": _distances(run, f"{prefix}-w2"),
        "curves": list(_curves(run.content.get("curves", ()), f"{prefix}-curves")),
    }


def _sizes(results: Results, prefix: str) -> list[tuple[str, str, str]]:
    """Return the protocol, the teacher and the plot of each part with several sizes."""
    from ddoq.report.plots.sizes import sizes

    found = [
        (part.protocol, part.teacher, sizes(part, f"{prefix}-sizes{i}"))
        for i, part in enumerate(results.parts)
        if part.ours
    ]
    return [(protocol, teacher, plot) for protocol, teacher, plot in found if plot]


def _distances(run: FinishedRun, name: str) -> str:
    """Return the plot of W2 by class, of the first row whose figures are known."""
    from ddoq.report.plots.distances import distances

    found = verdicts(run.results)
    row = found[0].row if found else None
    figures = figures_of_row(run.summary.get("pushforward"), row) if row else {}
    # Points that are not among the images' latents have no W2 to compare.
    after = (figures.get("w2_of_class") or ()) if figures.get("w2_points") else ()
    certificates = run.summary.get("certificates") or ()
    rows = [
        {"class": c["class"], "before": c["w2"], "after": (d["lower"] + d["upper"]) / 2}
        for c, d in zip(certificates, after, strict=False)
        if d
    ]
    shown = sorted(rows, key=lambda r: r["after"], reverse=True)[:_MOST_CLASSES]
    kept = [r for r in rows if r in shown]
    return distances(kept, name) if kept else ""


def _curves(found: Sequence[Mapping[str, Any]], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield a heading and a plot for each protocol and teacher, and for what a run trained."""
    from ddoq.report.plots.curves import curves

    places = dict.fromkeys((c["protocol"], c["teacher"]) for c in found)
    for number, (protocol, teacher) in enumerate(places):
        own = [c for c in found if (c["protocol"], c["teacher"]) == (protocol, teacher)]
        by = f", soft labels of {teacher}" if teacher not in ("", ABSENT) else ""
        heading = f"students, protocol {protocol}{by}"
        heading = {"": "weights trained by the run", LEARNED: "sets learned by the run"}.get(
            protocol, heading
        )
        yield heading, curves(own, f"{prefix}{number}")


def code(text: str) -> "Markup":
    """Return text as HTML in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    parts = [escape(p) if i % 2 else escape(joined(p)) for i, p in enumerate(text.split("`"))]
    marked = [f"<code>{p}</code>" if i % 2 else str(p) for i, p in enumerate(parts)]
    return Markup("".join(marked))


def joined(text: str) -> str:
    r"""Return text whose lines do not break within a number with its interval or its unit.

    >>> joined("+3.5 ± 0.2 of 97 %").split(" ")
    ['+3.5\xa0±\xa00.2', 'of', '97\xa0%']
    """
    return re.sub(r" (?=[±%])|(?<=±) ", "\N{NO-BREAK SPACE}", text)


def breakable(text: str) -> "Markup":
    """Return a name as HTML whose lines may break after the parts of a path or a setting."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([/=])(?=.)", r"\1<wbr>", str(escape(text))))
