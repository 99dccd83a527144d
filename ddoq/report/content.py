"""What the page shows and the other files of a run do not hold, as plain data: `report.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq.data.encoding import LATENTS
from ddoq.evaluation.curves import TrainingCurve, thinned
from ddoq.evaluation.results import Results
from ddoq.evaluation.rows import GIVEN, entries
from ddoq.evaluation.score import FULL
from ddoq.files.artifacts import fingerprint
from ddoq.files.places import without_places
from ddoq.pushforward.pushforward import PushForward
from ddoq.pushforward.real import nearest_to
from ddoq.recipe import Recipe, from_plain
from ddoq.recipe.component import Block
from ddoq.recipe.roots import OWN_FOLDER
from ddoq.report.environment import environment
from ddoq.report.pictures import galleries
from ddoq.report.projection import FEWEST, class_map
from ddoq.report.pushed import pushed_sheet
from ddoq.size import without_size
from ddoq.synthetic import SyntheticSet
from ddoq.training.losses import losses_in

if TYPE_CHECKING:
    from ddoq.run import Run

_MASSES = 20


def content_of(
    run: "Run",
    results: Results,
    sets: Sequence[SyntheticSet],
    pushed: PushForward | None,
    curves: Sequence[TrainingCurve],
) -> dict[str, Any]:
    """Return the content. All ranks call this together."""
    first, settings = sets[0], run.recipe.evaluation
    of_class = _class_map(run, first)
    if not run.world.is_first:
        return {}
    is_image = run.images.modality == "image"
    return {
        "title": f"{data_name(run.recipe)}, {per_class(results)}",
        "data": shown_data(run.recipe),
        "num_test_images": len(run.images.split(settings.split)),
        "across": settings.across,
        "recipe": shown_recipe(run.recipe).yaml(),
        "comparable": comparable(run),
        "rows": row_keys(run),
        "pictures": [asdict(g) for g in _galleries(run, sets, pushed)] if is_image else [],
        "map": of_class,
        "masses": _masses(first),
        "curves": [c.plain() for c in curves] + _pretraining_curves(run),
        "pushed": asdict(pushed_sheet(pushed)) if pushed else None,
        "not_pushed": "" if pushed else _why_not_pushed(run, results),
        "environment": environment(run.world, run.recipe.threads),
    }


def data_name(recipe: Recipe) -> str:
    """Return the name of the images: that of a user's own folder, or of the data set."""
    block = recipe.data
    if block["name"] in OWN_FOLDER and block.get("root"):
        return Path(block["root"]).expanduser().resolve().name
    return block["name"]


def shown_data(recipe: Recipe) -> str:
    """Return the name of the images, with the split if it is not the test images."""
    return data_name(recipe) + ("" if recipe.evaluation.split == "test" else " (validation)")


def comparable(run: "Run") -> dict[str, str]:
    """Return what must be equal for two runs' numbers to stand in one table."""
    recipe = run.recipe
    protocols = [run.make("protocol", block) for block in recipe.protocols]
    is_soft = any(protocol.labels == "soft" for protocol in protocols)
    teachers = [recipe.teacher, *recipe.evaluation.teachers] if is_soft else []
    return {
        "images": run.images.fingerprint,
        "split": recipe.evaluation.split,
        "teachers": fingerprint([run.key("teacher", block) for block in teachers]),
        "students": fingerprint([run.key("student", block) for block in recipe.students]),
        "training": fingerprint(run.student_key),
    }


def row_keys(run: "Run") -> list[dict[str, str]]:
    """Return, for each row but given sets, what tells its sets from another run's of that name."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries(run.recipe):
        if entry.distiller["name"] == GIVEN:
            continue
        key = {
            "distiller": run.key("distiller", without_size(entry.distiller)),
            "decoder": run.key("decoder", entry.decoder),
            "weighting": run.key("weighting", entry.weighting),
            **{part: run.key(part) for part in entry.made.parts(run)},
        }
        row = {**entry.labels, "key": fingerprint(key)}
        found.setdefault(fingerprint(row), row)
    return [*found.values()]


def shown_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe without paths of this machine, and without sizes that have no effect.

    Rows beside the method have its size, whatever a block's default says.
    """
    plain = without_places(asdict(recipe))
    if "root" in plain["data"]:
        plain["data"]["root"] = Path(plain["data"]["root"]).name
    plain["distiller"] = _with_plain_start(plain["distiller"])
    for key in ("distillers", "baselines"):
        rows = plain["evaluation"][key]
        plain["evaluation"][key] = [
            _with_plain_start(without_size(row)) if isinstance(row, dict) else row for row in rows
        ]
    return from_plain(plain)


def _with_plain_start(block: Block) -> Block:
    """Return a distiller's block whose start has no size: it gives as many as are learned."""
    start = block.get("start")
    return {**block, "start": without_size(start)} if isinstance(start, dict) else block


def per_class(results: Results) -> str:
    """Name the sizes of the sets. Full data have no size."""
    sizes = [str(n) for n in dict.fromkeys(r.images_per_class for r in results) if n > 0]
    listed = " and ".join([", ".join(sizes[:-1]), sizes[-1]] if len(sizes) > 1 else sizes)
    return f"{listed or 'all'} {'image' if sizes == ['1'] else 'images'} per class"


def _galleries(run: "Run", sets: Sequence[SyntheticSet], pushed: PushForward | None) -> list[Any]:
    """Return the pictures, with the nearest training images if those fit in memory."""
    shape = run.channels, run.image_size, run.image_size
    fits = pushed is not None and tuple(sets[0].images.shape[1:]) == shape

    def nearest(images: Tensor) -> Tensor:
        return run.images.some("train", nearest_to(run, images))

    return galleries(sets, nearest if fits else None)


def _class_map(run: "Run", synthetic: SyntheticSet) -> dict[str, Any] | None:
    """Return the map of the first class, if the set's points lie among the run's latents."""
    points = synthetic.latents
    lies_there = run.recipe.distiller.get("space", "latents") == "latents"
    if points is None or "mass" not in synthetic.columns or not lies_there:
        return None
    if not run.world.broadcast(run.is_done(LATENTS, run.latents_key)):
        return None
    label = int(synthetic.labels.min())
    latents = run.latents.latents(label)
    if len(latents) < FEWEST or points.shape[1:] != latents.shape[1:]:
        return None
    own = synthetic.labels == label
    masses = torch.tensor(synthetic.columns["mass"])[own]
    found = class_map(latents, points[own], masses)
    return {"class": synthetic.class_names[label], **found}


def _why_not_pushed(run: "Run", results: Results) -> str:
    """Say why a run has no figures of how near its sets are to real images."""
    if all(r.distiller == FULL for r in results):
        return ""
    if run.recipe.evaluation.pushforward is False:
        return "They were switched off: evaluation.pushforward=false."
    return (
        "They were left out, as the training images are many for the memory; "
        "evaluation.pushforward=true asks for them."
    )


def _masses(synthetic: SyntheticSet) -> list[dict[str, Any]]:
    """Return the shares of the points of the first classes, if any class has several."""
    if "mass" not in synthetic.columns:
        return []
    masses = torch.tensor(synthetic.columns["mass"]).double()
    rows: list[dict[str, Any]] = []
    for label in synthetic.labels.unique().tolist()[:_MASSES]:
        own = masses[synthetic.labels == label]
        shares = (own / own.sum()).sort(descending=True).values
        rows.append(
            {
                "class": synthetic.class_names[label],
                "shares": [float(f"{share:.4g}") for share in shares.tolist()],
                "effective_size": float(f"{1 / float(shares.square().sum()):.4g}"),
            }
        )
    return rows if any(len(row["shares"]) > 1 for row in rows) else []


def _pretraining_curves(run: "Run") -> list[dict[str, Any]]:
    """Return the curves of weights that the run trained itself, where they were kept."""
    found: list[dict[str, Any]] = []
    for record in {(r.stage, r.fingerprint): r for r in run.records}.values():
        losses = (
            losses_in(run.cache.root / record.stage / record.fingerprint)
            if record.stage.startswith("pretrain/")
            else None
        )
        if losses is not None and len(losses):
            what = record.stage.removeprefix("pretrain/")
            curve = TrainingCurve(what, "", "", "", len(losses), tuple(thinned(losses)))
            found.append(curve.plain())
    return found
