"""Checks of a merged recipe: every block is checked against its component's signature."""

from typing import TYPE_CHECKING, Any

from ddoq.errors import UsageError
from ddoq.recipe.component import Block, kind_of, required
from ddoq.recipe.kinds import KINDS, PLURAL, PRETRAINERS, SINGLE
from ddoq.recipe.ranges import RANGES, refuse_outside
from ddoq.recipe.settings import check_settings, complete
from ddoq.recipe.signature import defaults, nearest, signature
from ddoq.recipe.tables import NETS

if TYPE_CHECKING:
    from ddoq.recipe import Recipe


_TRAINER = "lightning.pytorch.trainer.trainer:Trainer"


# Other precisions convert the whole network, but images and teachers stay in single precision.
_PRECISIONS = ("32-true", "32", "bf16-mixed", "16-mixed", "bf16", "16")

# Settings of Lightning's Trainer that the program sets itself.
_OWNED = (
    "max_epochs",
    "min_epochs",
    "max_steps",
    "min_steps",
    "max_time",
    "fast_dev_run",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "overfit_batches",
    "use_distributed_sampler",
    "enable_checkpointing",
    "inference_mode",
    "barebones",
    "callbacks",
    "plugins",
    "reload_dataloaders_every_n_epochs",
    "val_check_interval",
    "check_val_every_n_epoch",
    "num_sanity_val_steps",
)


# Fields of `evaluation` that hold components. Each component adds one or more rows to the table.
_ROWS = {
    "distillers": "distiller",
    "decoders": "decoder",
    "weightings": "weighting",
    "teachers": "teacher",
    "baselines": "distiller",
}
# `uniform` is no distiller, but the method with other weights.
UNIFORM: Block = {"name": "uniform"}


_CHOICES = {
    "labels": ("auto", "online", "stored"),
    "spread": ("processes", "ranks", "ray"),
}


def as_block(place: str, value: Any, kind: str) -> Block:
    """Return the long form of a block. A bare name stands for a block without settings."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise UsageError(
            f"{place}: {value!r} is not a component", "give its name, or {name: NAME, ...}"
        )
    inner = {k: kind_of(KINDS, kind, str(k)) for k in value}
    return {
        str(k): as_block(f"{place}.{k}", v, of) if (of := inner[k]) and _is_one(v) else v
        for k, v in value.items()
    }


def _is_one(value: Any) -> bool:
    return isinstance(value, str | dict)


def checked(recipe: "Recipe") -> "Recipe":
    """Complete every block of a merged recipe; refuse settings that its component does not take."""
    for kind in SINGLE:
        setattr(recipe, kind, complete(KINDS, kind, getattr(recipe, kind)))
    for plural, kind in PLURAL.items():
        done = [complete(KINDS, kind, block) for block in getattr(recipe, plural)]
        setattr(recipe, plural, done)
    _refuse_numbers(recipe)
    for plural in PLURAL:
        blocks = getattr(recipe, plural)
        if not blocks:
            raise UsageError(f"{plural}=[]: there is nothing to measure", "name one or more")
        if any(b in blocks[:i] for i, b in enumerate(blocks)):
            raise UsageError(f"{plural}: one is named twice", "name each once")
    _check_quoted(recipe.evaluation.quoted)
    _check_rows(recipe)
    _check_pretrain(recipe)
    _check_trainer(recipe.trainer)
    return recipe


def _check_trainer(settings: Block) -> None:
    owned = [k for k in settings if k in _OWNED or k.startswith("limit_")]
    if owned:
        raise UsageError(
            f"trainer.{owned[0]}: the protocol decides how long and on what students train",
            "change the protocol, for example 'protocol=[{name: small, steps: 500}]'",
        )
    precision = str(settings.get("precision", "32-true"))
    if precision not in _PRECISIONS:
        raise UsageError(f"trainer.precision={precision}", f"use one of {', '.join(_PRECISIONS)}")
    if not isinstance(settings.get("logger", False), bool | None):
        raise UsageError(
            f"trainer.logger={settings['logger']}", "use true (Lightning's own) or false"
        )
    trainer = signature(_TRAINER)
    check_settings({}, trainer, settings, place="trainer", target="lightning's Trainer")


def _refuse_numbers(recipe: "Recipe") -> None:
    for place, block in (("", recipe), ("evaluation.", recipe.evaluation)):
        for key in RANGES.keys() & vars(block).keys():
            refuse_outside(f"{place}{key}", getattr(block, key), RANGES[key])


def _check_rows(recipe: "Recipe") -> None:
    """Complete the blocks that stand for further rows of the table."""
    settings = recipe.evaluation
    for field, kind in _ROWS.items():
        place = f"evaluation.{field}"
        blocks = [as_block(place, b, kind) for b in getattr(settings, field)]
        done = [
            b if field == "baselines" and b == UNIFORM else complete(KINDS, kind, b, place=place)
            for b in blocks
        ]
        setattr(settings, field, done)
    if settings.full_protocol is not None:
        place = "evaluation.full_protocol"
        settings.full_protocol = complete(KINDS, "protocol", settings.full_protocol, place=place)
    if settings.choose and settings.split == "val":
        raise UsageError(
            "evaluation.choose=true with split=val would choose and measure on the same images",
            "leave one of them out",
        )
    for field, known in _CHOICES.items():
        if getattr(settings, field) not in known:
            raise UsageError(
                f"evaluation.{field}={getattr(settings, field)}", f"use one of {', '.join(known)}"
            )


def _check_quoted(numbers: list[Any]) -> None:
    seen: set[tuple[Any, ...]] = set()
    for number in numbers:
        if not _is_quotable(number):
            raise UsageError(
                f"evaluation.quoted: {number} is not a quotable number",
                "give {distiller: ..., student: ..., top1: 0.0 to 1.0, protocol: ...}, with the id "
                "of the protocol that made it; images_per_class is a whole number",
            )
        words = (str(number[key]) for key in ("distiller", "student", "protocol"))
        place = (*words, number.get("images_per_class", 0))
        if place in seen:
            raise UsageError(
                f"evaluation.quoted: {', '.join(map(str, place))} has two numbers",
                "keep one, or tell them apart by the distiller's name",
            )
        seen.add(place)


def _is_quotable(number: Any) -> bool:
    needed = {"distiller", "student", "top1", "protocol"}
    if not isinstance(number, dict) or not needed <= number.keys():
        return False
    top1, size = number["top1"], number.get("images_per_class", 0)
    numbers = type(top1) in (int, float) and type(size) is int
    return numbers and 0 <= top1 <= 1 and size >= 0


def _check_pretrain(recipe: "Recipe") -> None:
    for part in recipe.pretrain:
        if part not in PRETRAINERS:
            raise UsageError(
                f"pretrain: {part!r} is not a part that it trains{nearest(part, PRETRAINERS)}",
                f"it trains {', '.join(PRETRAINERS)}",
            )
    blocks = {part: recipe.pretrain.get(part, {}) for part in PRETRAINERS}
    blocks["prior"] = _with_net(recipe.prior, blocks["prior"])
    recipe.pretrain = {part: _complete_pretrain(part, block) for part, block in blocks.items()}


def _with_net(prior: Block, block: Block) -> Block:
    """Name the network to train if the recipe does not: it is that of the recipe's prior."""
    if prior["name"] not in NETS:
        return block
    net = {"name": prior["name"], **(block.get("net") or {})}
    if prior.get("source") == "pretrain" and net["name"] != prior["name"]:
        raise UsageError(
            f"pretrain.prior.net={net['name']} trains what prior={prior['name']} cannot read",
            f"set prior={net['name']}, or pretrain.prior.net={prior['name']}",
        )
    return {**block, "net": net}


def _complete_pretrain(part: str, block: Block) -> Block:
    settable = signature(PRETRAINERS[part])
    checked = check_settings(KINDS, settable, block, place=f"pretrain.{part}", target=part)
    return {**defaults(settable), **checked}


def refuse_missing(recipe: "Recipe") -> None:
    """Refuse a recipe in which a component, or one within it, lacks a required setting."""
    blocks = [(k, k, getattr(recipe, k)) for k in SINGLE]
    blocks += [(p, k, b) for p, k in PLURAL.items() for b in getattr(recipe, p)]
    rows = ((f, k, b) for f, k in _ROWS.items() for b in getattr(recipe.evaluation, f))
    blocks += [(f"evaluation.{f}", k, b) for f, k, b in rows if b != UNIFORM]
    for place, kind, block in [one for outer in blocks for one in _with_inner(*outer)]:
        missing = required(KINDS, kind, block)
        if missing:
            name, supplied = missing[0], KINDS[kind].supplies
            raise UsageError(
                f"{place}.{name} is missing{nearest(name, supplied)}",
                f"add {place}.{name}=... to the command"
                + (f"; {', '.join(supplied)} are supplied" if nearest(name, supplied) else ""),
            )


def _with_inner(place: str, kind: str, block: Block) -> list[tuple[str, str, Block]]:
    """Return a component and those within it, each with its place and its kind."""
    found = [(place, kind, block)]
    for key, value in block.items():
        inner = kind_of(KINDS, kind, key)
        for one in value if isinstance(value, list) else [value]:
            if inner is not None and isinstance(one, dict) and "name" in one:
                found += _with_inner(f"{place}.{key}", inner, one)
    return found
