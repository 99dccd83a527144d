"""What would a run do, what is there already, and what will it need? Asked by `dry_run=true`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ddoq import shipped
from ddoq.evaluation.cell import Cell, cell_key
from ddoq.evaluation.grid import Entry, draw, entries, set_seed
from ddoq.kinds import PRETRAINERS

if TYPE_CHECKING:
    from ddoq.run import Run


@dataclass(frozen=True)
class Step:
    """One thing that a run would do."""

    what: str
    state: str
    """`cached`, `given`, `to do`, or `download`."""
    needs: str


def plan(run: "Run") -> list[Step]:
    """Return every step of a run, in order, without running any."""
    images = run.images
    counts = f"{len(images.train)} train, {len(images.val)} val, {len(images.test)} test images"
    steps = [Step("images", "given", f"{counts}, {images.num_classes} classes")]
    steps += [_weights(run, part) for part in PRETRAINERS if part in _parts(run)]
    rows = entries(run.recipe)
    methods = [e for e in rows if hasattr(_distiller(run, e), "decoded_key")]
    if methods:
        done = run.is_done("latents", run.latents_key)
        steps.append(_step("latents", done, f"encode {len(images.train)} images"))
    counted: set[str] = set()
    for entry in methods:
        steps += _sets(run, entry, counted)
    return steps + [_students(run, rows, number) for number in range(len(run.recipe.protocols))]


def training(run: "Run") -> list[Step]:
    """Return the weights that a run must train before anything else."""
    steps = [_weights(run, part) for part in PRETRAINERS if part in _parts(run)]
    return [s for s in steps if s.state == "to do"]


def _parts(run: "Run") -> list[str]:
    """Return the parts that this recipe reads: a prior only where a decoder asks for one."""
    recipe = run.recipe
    decoders = [recipe.decoder, *recipe.evaluation.decoders]
    asked = {noun for d in decoders for noun in run.asks_for("decoder", d)}
    soft = any(run.make("protocol", p).labels == "soft" for p in recipe.protocols)
    return ["autoencoder", *(["prior"] if "prior" in asked else []), *(["teacher"] if soft else [])]


def _step(what: str, is_done: bool, needs: str) -> Step:
    return Step(what, "cached" if is_done else "to do", "" if is_done else needs)


def _weights(run: "Run", part: str) -> Step:
    block = getattr(run.recipe, part)
    source = block.get("source")
    if source == "pretrain":
        settings = run.recipe.pretrain[part]
        size = f"{run.images.channels}x{run.images.image_size}x{run.images.image_size}"
        needs = f"{settings['steps']} steps of {settings['batch_size']} images {size}"
        return _step(
            f"pretrain {part}", run.is_done(f"pretrain/{part}", run.pretrain_key(part)), needs
        )
    if source is None:
        return Step(part, "given", block["name"])
    is_here = shipped.locate(source).exists()
    return Step(part, "given" if is_here else "download", f"{source} {block.get('revision') or ''}")


def _distiller(run: "Run", entry: Entry) -> Any:
    nouns = {"decoder": entry.decoder, "weighting": entry.weighting}
    return run.make("distiller", entry.distiller, **nouns)


def _sets(run: "Run", entry: Entry, counted: set[str]) -> list[Step]:
    """Return what an entry's sets need, but for what an earlier entry needs too."""
    distiller = _distiller(run, entry)
    places: dict[str, dict[str, bool]] = {"study": {}, "quantization": {}, "decoded": {}}
    for number in range(entry.num_seeds if entry.redraw else 1):
        with run.seeded(set_seed(run.recipe, entry, number)):
            points = distiller.points(run)
            keys = {
                **({"study": points.study_key()} if points.has_study else {}),
                "quantization": points.key(),
                "decoded": distiller.decoded_key(run),
            }
        for stage, key in keys.items():
            name = run.place(stage, key).name
            if name not in counted:
                places[stage][name] = run.is_done(stage, key)
                counted.add(name)
    num_points = distiller.budget or distiller.images_per_class * run.images.num_classes
    steps: list[Step] = []
    for stage, found in places.items():
        missing = sum(not done for done in found.values())
        needs = f"{missing} of {len(found)} sets of {num_points}"
        if stage == "study":
            needs = "hold out latents of some classes and quantize the rest"
        what = f"decoded ({entry.decoder_name})" if stage == "decoded" else stage
        steps += [_step(what, not missing, needs)] if found else []
    return steps


def _students(run: "Run", rows: list[Entry], number: int) -> Step:
    protocol = run.make("protocol", run.recipe.protocols[number])
    total = sum(e.num_seeds * e.num_students for e in rows)
    done = sum(_num_trained(run, entry, protocol) for entry in rows)
    needs = f"{total - done} of {total} trainings of {protocol.steps or protocol.epochs} "
    return _step(
        f"students ({protocol.id})",
        done == total,
        needs + ("steps" if protocol.steps else "epochs"),
    )


def _num_trained(run: "Run", entry: Entry, protocol: Any) -> int:
    """Count the finished trainings of an entry whose sets are there to be named."""
    done = 0
    for number in range(entry.num_seeds):
        with run.seeded(set_seed(run.recipe, entry, number)):
            distiller = _distiller(run, entry)
            key = getattr(distiller, "decoded_key", None)
            if key is not None and not run.is_done("decoded", key(run)):
                continue
        synthetic = draw(run, entry, number)
        for block in run.recipe.students[: entry.num_students]:
            cell = Cell(synthetic, block, protocol, run.recipe.seed + number)
            done += run.is_done("cell", cell_key(run, cell))
    return done


def table(steps: list[Step], title: str) -> Table:
    """Return the steps as a table for the terminal."""
    shown = Table("stage", "state", "needs", title=title, title_justify="left")
    for step in steps:
        shown.add_row(step.what, step.state, step.needs)
    return shown
