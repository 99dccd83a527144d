"""Do the pages list every setting of what they describe?"""

import re
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest

from ddoq.decoders.diffusion import Diffusion
from ddoq.distillers.ddoq import DDOQ
from ddoq.distillers.learned import Learned
from ddoq.protocols.protocol import Protocol
from ddoq.quantize.clvq import CLVQ
from ddoq.quantize.d4m import D4M
from ddoq.quantize.faiss import Faiss
from ddoq.quantize.lloyd import Lloyd

DOCS = Path(__file__).parents[1] / "docs"
# What a preset is, rather than what a recipe sets.
_OF_PRESETS = {"id", "source", "deviations", "rules", "origin"}


def listed(page: str) -> set[str]:
    """Return the words in backticks in the first two cells of a page's tables."""
    rows = [line.split("|") for line in (DOCS / page).read_text(encoding="utf-8").splitlines()]
    cells = [cell for row in rows if len(row) > 4 and not row[0] for cell in row[1:3]]
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("protocols.md", Protocol),
        ("decoders.md", Diffusion),
        ("learned.md", Learned),
        *(("quantizer.md", made) for made in (DDOQ, Lloyd, CLVQ, Faiss, D4M)),
    ],
)
def test_every_setting_is_in_a_table_of_its_page(page: str, made: Callable[..., Any]):
    parameters = signature(made).parameters.values()
    settings = {p.name for p in parameters if p.kind == Parameter.KEYWORD_ONLY} - _OF_PRESETS
    assert settings
    assert settings - listed(page) == set()
