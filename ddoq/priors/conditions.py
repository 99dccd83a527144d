"""What tells a prior's network which class to draw: a label, or the embedding of a prompt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.recipe.component import Block

# Priors that know their classes by labels.
LABELED = ("dit", "sit", "unet")
# Those that read prompts.
PROMPTED = ("stable_diffusion", "sdxl")

# An error and its remedy.
NO_NULL_LABEL = (
    'the prior has no label for "no class", which guidance needs',
    "set decoder.guidance=1",
)

_WORDNET_ID = re.compile(r"n\d{8}")

# Further inputs of a network, by name. Each has a row for each sample.
Inputs = dict[str, Tensor]


@runtime_checkable
class Conditions(Protocol):
    """The inputs of a network for each class of the images."""

    def of(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the inputs that ask for these classes."""
        ...

    def none(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the inputs that ask for no class, or for what is not wanted."""
        ...


@dataclass(frozen=True)
class LabelConditions:
    """A prior's own label for each class, and its label for "no class"."""

    labels: Int[Tensor, " classes"]
    null_label: int | None

    def of(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the prior's labels of these classes."""
        return {"class_labels": self.labels[labels.to(self.labels.device)]}

    def none(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the label for "no class"."""
        if self.null_label is None:
            raise UsageError(*NO_NULL_LABEL)
        return {"class_labels": torch.full_like(self.labels[labels], self.null_label)}


@dataclass(frozen=True)
class PromptConditions:
    """The embeddings of each class's prompt, and those of the negative prompt."""

    wanted: Inputs
    """With a row for each class."""
    unwanted: Inputs
    """With one row."""

    def of(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the embeddings of these classes' prompts."""
        return {name: rows[labels.to(rows.device)] for name, rows in self.wanted.items()}

    def none(self, labels: Int[Tensor, " n"]) -> Inputs:
        """Return the negative prompt's embeddings."""
        return {k: row.expand(len(labels), *row.shape[1:]) for k, row in self.unwanted.items()}


def prompts_of(prompt: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the prompt of each class: its names in place of {}."""
    if "{}" not in prompt and len(set(names)) > 1:
        raise UsageError(
            f"decoder.prompt={prompt!r} is the same for every class",
            "write {} where a class's names belong, as in 'a photo of a {}'",
        )
    ids = [name for name in names if _WORDNET_ID.fullmatch(name)]
    if ids:
        raise UsageError(
            f"the prior reads prompts, and {ids[0]} says nothing to it",
            "give the classes names: data.class_names=imagenet, or a JSON file of your own",
        )
    return tuple(prompt.replace("{}", name) for name in names)


def refuse_equal(prompts: Sequence[str], tokens: Int[Tensor, "n tokens"]) -> None:
    """Refuse different prompts that are the same once they are cut to the tokenizer's length."""
    kept: dict[tuple[int, ...], str] = {}
    for prompt, row in zip(prompts, tokens.tolist(), strict=True):
        # Tokenizers do not tell capitals.
        if kept.setdefault(tuple(row), prompt).casefold() != prompt.casefold():
            raise UsageError(
                f"decoder.prompt: what tells {prompt[-40:]!r} from other classes lies beyond the "
                f"{len(row)} tokens that the prior reads",
                "give a shorter prompt, with {} near its beginning",
            )


def prompts_key(prior: Block, images: Images) -> dict[str, list[str]]:
    """Return the names that prompts are made of, unless a prior is known to read labels alone."""
    return {} if prior["name"] in LABELED else {"class_names": list(images.class_names)}


def doubled(wanted: Inputs, unwanted: Inputs) -> Inputs:
    """Return the inputs of a doubled batch, whose second half is not guided by a class."""
    return {name: torch.cat([rows, unwanted[name]]) for name, rows in wanted.items()}
