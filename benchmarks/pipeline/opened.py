"""What both parts begin with: a recipe before `--`, their own options behind it."""

from typing import Any, Protocol, TypeVar

import torch

from benchmarks.quantizer import measure
from ddoq import recipe
from ddoq.recipe import arguments
from ddoq.run import Run


class _Options(Protocol):
    @property
    def threads(self) -> int: ...


T = TypeVar("T", bound=_Options)


def opened(
    argv: list[str], options: type[T], part: str, packages: tuple[str, ...]
) -> tuple[Run, T, dict[str, Any]]:
    """Return the recipe's run, the options, and the machine, which is shown too."""
    cut = argv.index("--") if "--" in argv else len(argv)
    asked = arguments.read(options, argv[cut + 1 :], part)
    run = Run(recipe.read(argv[:cut]).recipe)
    torch.set_num_threads(asked.threads)
    about = measure.machine(asked.threads, packages)
    measure.show_machine(about)
    return run, asked, about
