"""The plan of a run, shown by `dry_run=true`: its steps, what is cached, and what they need."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table as Shown

from ddoq.data.whitening import WHITENING, whitening_key
from ddoq.display.duration import duration
from ddoq.evaluation.grid import Grid, tables_of
from ddoq.evaluation.making import kept, seconds
from ddoq.evaluation.rows import GIVEN, entries
from ddoq.evaluation.so_far import is_trained
from ddoq.files.stage import PRETRAIN, Planned
from ddoq.pushforward.pushforward import is_wanted
from ddoq.recipe import shipped
from ddoq.recipe.component import is_code, sources
from ddoq.recipe.kinds import PRETRAINERS

if TYPE_CHECKING:
    from ddoq.run import Run


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    what: str
    state: str
    """`cached`, `given`, `to do`, `download`, or `note` for what is no step but good to know."""
    needs: str


def plan(run: "Run") -> list[Step]:
    """Return every step of a run, in order, without running any."""
    images, grid = run.images, Grid.of(run)
    counts = f"{len(images.train)} train, {len(images.val)} val, {len(images.test)} test images"
    steps = [Step("images", "given", f"{counts}, {images.num_classes} classes")]
    if small := small_classes(run):
        steps.append(Step("images per class", "note", small))
    steps += [_weights(run, part) for part in parts(run)]
    counted: set[Path] = set()
    for row in range(len(grid.rows)):
        steps += _sets(grid, row, counted)
    if images.modality == "image" and any(e.distiller["name"] == GIVEN for e in grid.rows):
        split = run.recipe.evaluation.split
        number = len(images.split(split))
        steps.append(
            Step("look for copies", "to do", f"of {number} {split} images, refused in sets")
        )
    if any(table.protocol.whiten == "zca" for table in grid.tables):
        is_done = run.is_done(WHITENING, whitening_key(run))
        steps.append(_step("whitening", is_done, f"{len(images.train)} images"))
    steps += [_students(grid, number) for number in range(len(grid.tables))]
    return [*steps, *_figures(grid)]


def _figures(grid: Grid) -> list[Step]:
    """Return what is measured of the images beside accuracies, whose time is not counted."""
    run = grid.run
    number = sum(not (entry.given is None and entry.made.keeps_all) for entry in grid.rows)
    if not number or not is_wanted(run):
        return []
    steps = [Step("figures of the images", "note", f"of {number} sets, if not cached")]
    if run.recipe.evaluation.redundancy:
        told = "2 trainings for each set, and 2 of random images, if not cached"
        steps.append(Step("redundancy", "note", told))
    return steps


def small_classes(run: "Run") -> str:
    """Say which classes have fewer images than are asked for of each; nothing if none has."""
    made = [e.made for e in entries(run.recipe) if e.distiller["name"] != GIVEN]
    lacking = [m for m in made if min(m.numbers(run)) < (m.size.per_class or 0)]
    asked = max((m.size.per_class or 0 for m in lacking), default=0)
    counts = run.images.counts.tolist()
    small = [f"{c} ({n})" for c, n in zip(run.images.class_ids, counts, strict=True) if n < asked]
    if not small:
        return ""
    told = f"{', '.join(small[:3])}{', ...' if len(small) > 3 else ''}"
    many = "1 class" if len(small) == 1 else f"{len(small)} classes"
    return f"fewer than {asked} in {many}: {told}; all of them are used"


def training(run: "Run") -> dict[str, Step]:
    """Return the parts whose weights a run must train before anything else."""
    steps = {part: _weights(run, part) for part in parts(run)}
    return {part: step for part, step in steps.items() if step.state == "to do"}


def parts(run: "Run") -> list[str]:
    """Return the parts that the rows of this recipe use, and the teacher of soft labels."""
    read = {part for entry in entries(run.recipe) for part in entry.made.parts(run)}
    if any("soft" in (t.protocol.labels, t.full and t.full.labels) for t in tables_of(run)):
        read.add("teacher")
    learns = "autoencoder" in read and run.recipe.autoencoder.get("source") == "pretrain"
    if learns and run.recipe.pretrain["autoencoder"]["perceptual"]:
        read.add("teacher")
    return [part for part in PRETRAINERS if part in read]


def pin(run: "Run") -> None:
    """Pin the parts in use on the Hub to commits. A user's own distiller may use all parts."""
    is_own = any(is_code(entry.distiller["name"]) for entry in entries(run.recipe))
    run.pin(PRETRAINERS if is_own else parts(run))


def _step(what: str, is_done: bool, needs: str) -> Step:
    return Step(what, "cached" if is_done else "to do", "" if is_done else needs)


def _weights(run: "Run", part: str) -> Step:
    block = getattr(run.recipe, part)
    blocks = [block, *(run.recipe.evaluation.teachers if part == "teacher" else [])]
    if any("pretrain" in sources(b) for b in blocks):
        settings = run.recipe.pretrain[part]
        size = f"{run.images.channels}x{run.images.image_size}x{run.images.image_size}"
        minutes = settings.get("minutes")
        length = f"{settings['steps']} steps" if minutes is None else duration(60 * minutes)
        needs = f"{length} of {settings['batch_size']} images {size}"
        return _step(
            f"pretrain {part}", run.is_done(PRETRAIN.part(part), run.pretrain_key(part)), needs
        )
    source = block.get("source")
    if source is None:
        return Step(part, "given", block["name"])
    is_here = shipped.locate(source).exists()
    return Step(part, "given" if is_here else "download", f"{source} {block.get('revision') or ''}")


def _sets(grid: Grid, row: int, counted: set[Path]) -> list[Step]:
    """Return the steps of a row's sets, without those of an earlier row."""
    run, entry = grid.run, grid.rows[row]
    if entry.distiller["name"] == GIVEN:
        return [Step(f"set {entry.name}", "given", f"{entry.size.mean(run.num_classes)} per class")]
    found: dict[str, dict[int, bool]] = {}
    last: dict[str, Planned | None] = {}
    for draw in [d for d in grid.draws if d.row == row]:
        own, seed = kept(grid, draw), grid.seed_of(draw)
        for planned in entry.made.stages(run, seed):
            place = run.place(planned.stage, planned.key)
            if place not in counted:
                is_own = own is not None and place == run.place(own.stage, own.key)
                what = _set_name(grid, row) if is_own else planned.what or planned.stage.name
                found.setdefault(what, {})[seed] = run.is_done(planned.stage, planned.key)
                last[what] = None if is_own else planned
                counted.add(place)
    return [_step_of(grid, row, what, done, last[what]) for what, done in found.items()]


def _step_of(
    grid: Grid, row: int, what: str, done: Mapping[int, bool], planned: Planned | None
) -> Step:
    """Return the step that makes something of a row for some seeds, and what it needs.

    Nothing is planned of sets that are made on their own: the step has their seeds and time.
    """
    missing = [seed for seed, is_done in done.items() if not is_done]
    if not missing:
        return Step(what, "cached", "")
    if planned is None:
        seeds = f"seed{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        each = " each" * (len(missing) > 1)
        known = seconds(grid, row)
        return Step(what, "to do", seeds + ("" if known is None else f": {duration(known)}{each}"))
    size = f" of {planned.number}" if planned.number else ""
    return Step(what, "to do", planned.needs or f"{len(missing)} of {len(done)} sets{size}")


def _set_name(grid: Grid, row: int) -> str:
    """Return the name of sets that are made on their own."""
    entry = grid.rows[row]
    counts = grid.run.images.counts
    number = min(entry.size.mean(len(counts)), int(counts.max()))
    size = f" of {number} per class" if entry.size.is_known else ""
    return f"set {entry.name}{size}"


def _students(grid: Grid, number: int) -> Step:
    """Return the trainings of a table."""
    table, jobs = grid.tables[number], grid.of_table(number)
    protocol, teacher = table.protocol, table.teacher
    total, done = len(jobs), sum(is_trained(grid, job) for job in jobs)
    needs = f"{total - done} of {total} trainings of {protocol.steps or protocol.epochs} "
    return _step(
        f"students ({protocol.id}{', ' + teacher['name'] if teacher else ''})",
        done == total,
        needs + ("steps" if protocol.steps else "epochs"),
    )


def table(steps: list[Step], title: str) -> Shown:
    """Return the steps as a table for the terminal."""
    shown = Shown("stage", "state", "needs", title=title, title_justify="left")
    for step in steps:
        shown.add_row(step.what, step.state, step.needs)
    return shown
