"""What the script of an export trains, by which protocol, and the scores to hold it against."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ddoq.evaluation.score import Score
from ddoq.export.exported import Exported
from ddoq.export.run_folder import RunFolder
from ddoq.export.supplied import Supplied
from ddoq.protocols.presets import PRESETS
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.naming import told_apart

# What the script does as the protocol says.
_DONE = {
    *("id", "source", "deviations", "rules", "origin", "labels", "loss", "temperature", "steps"),
    *("epochs", "batch_size", "optimizer", "lr", "lr_of", "weight_decay", "decay_vectors"),
    *("momentum", "schedule", "schedule_per", "last_factor", "milestones", "decay", "warmup"),
    *("image_size", "any_size", "test_margin", "crop", "flip", "weights", "evaluate_after"),
    *("mix_alpha", "mix_per", "uses_hints"),
}
_PLAIN_NET = {"depth": 3, "width": 128, "norm": "instance", "pooling": "average"}


@dataclass(frozen=True)
class Plan:
    """What a script trains, by which protocol, and which scores it may be held against."""

    protocol: Protocol
    net: Mapping[str, Any]
    size: int
    expected: Mapping[str, str]
    """The score to expect, by the kind of labels."""
    missing: tuple[str, ...]
    """What the script does not have: settings of the protocol, and what is not known of the run."""
    is_of_run: bool


def plan_of(exported: Exported, origin: RunFolder, supplied: Supplied) -> Plan:
    """Return what the script of an export does: the run's first protocol with its ConvNet."""
    side = exported.synthetic.images.shape[-1]
    protocols = supplied.protocols or (PRESETS["small_hard"],)
    blocks = supplied.recipe.students if supplied.recipe else []
    nets = [b for b in blocks if b["name"] == "convnet"]
    net = {**_PLAIN_NET, **(nets[0] if nets else {})}
    size = supplied.image_size or side
    if net["pooling"] != "none":
        net["depth"] = min(net["depth"], size.bit_length() - 1)
    name = told_apart("student", nets[0], blocks) if nets else ""
    scores = {
        part.protocol: own["set"]
        for part, student, own in origin.scores(exported.synthetic)
        if student == name
    }
    first = protocols[0]
    missing = tuple(_missing(first, exported.synthetic.hints))
    if not supplied.protocols:
        missing = (*missing, "the run's own network and protocol")
    if exported.mean is None:
        missing = (*missing, "normalization by mean and std of the real images")
    return Plan(
        protocol=first,
        net=net,
        size=size,
        expected=_expected(first, protocols, scores, missing),
        missing=missing,
        is_of_run=bool(supplied.protocols),
    )


def _expected(
    first: Protocol,
    protocols: Sequence[Protocol],
    scores: Mapping[str, Score | None],
    missing: tuple[str, ...],
) -> dict[str, str]:
    """Return the score of the protocol that each kind of labels comes to, in words."""
    hard = first.with_hard_labels()
    twins = [p for p in protocols if p.key() == hard.key()]
    twin = twins[0] if twins else hard
    told = {"hard": _score(twin, scores, missing)}
    if first.labels == "soft":
        remark = ", whose teacher labels each crop"
        told["soft"] = _score(first, scores, missing, remark)
    if first.labels == "targets":
        told["targets"] = _score(first, scores, missing)
    return told


def _score(
    protocol: Protocol,
    scores: Mapping[str, Score | None],
    missing: tuple[str, ...],
    remark: str = "",
) -> str:
    score = scores.get(protocol.id)
    if score is None:
        return f"expected: unknown (no score of a ConvNet under {protocol.id} is known here)"
    told = f"{score.text} %" + (f" (n={score.n})" if score.n > 1 else "")
    if missing:
        return f"not comparable: the run's {told} under {protocol.id} is with {', '.join(missing)}"
    return f"expected: {told} under {protocol.id}{remark}"


def _missing(protocol: Protocol, hints: Mapping[str, Any]) -> list[str]:
    """Return the settings of a protocol that have an effect and that the script leaves out."""
    usual = {f.name: f for f in dataclasses.fields(Protocol)}
    found = [
        f"{name}={getattr(protocol, name)}"
        for name, field in usual.items()
        if name not in _DONE and getattr(protocol, name) != _default(field)
    ]
    # The learned rate is in the protocol's own by now.
    if "tiles" in protocol.uses_hints and hints.get("tiles", 1) > 1:
        found.append(f"tiles={hints['tiles']}")
    if protocol.loss in ("mse_ce", "gift"):
        found.append(f"loss={protocol.loss}, which needs a teacher's logits")
    return found


def _default(field: "dataclasses.Field[Any]") -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()
