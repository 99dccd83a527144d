"""The command that lists and measures student networks.

`python -m ddoq.students` lists our own with their settings; `search=*vit*` lists all names that
match; `name=timm/test_vit [image_size=32] [num_classes=10] [channels=3] [SETTING=VALUE ...]` makes
one and prints its size.
"""

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any

from ddoq.errors import UsageError
from ddoq.recipe import arguments


@dataclass(frozen=True)
class StudentQuery:
    """A parsed command line."""

    search: str = ""
    name: str = ""
    image_size: int = 32
    num_classes: int = 10
    channels: int = 3
    debug: bool = False

    def __post_init__(self) -> None:
        sizes = {"image_size": self.image_size, "channels": self.channels}
        arguments.at_least(1, num_classes=self.num_classes, **sizes)
        if self.search and self.name:
            raise UsageError("search= and name= ask for two things", "give one of them")


def read(argv: list[str]) -> tuple[StudentQuery, dict[str, Any]]:
    """Read `key=value ...`. With a name, keys that are not the command's are settings."""
    known = [field.name for field in dataclasses.fields(StudentQuery)]
    has_name = any(argument.startswith("name=") for argument in argv)
    own = [a for a in argv if has_name and "=" in a and a.partition("=")[0] not in known]
    rest = [a for a in argv if a not in own]
    return arguments.read(StudentQuery, rest, "students"), dict(map(_setting, own))


def _setting(argument: str) -> tuple[str, Any]:
    from yaml import YAMLError, safe_load

    key, _, value = argument.partition("=")
    try:
        return key, safe_load(value)
    except YAMLError as error:
        raise UsageError(f"{argument!r} cannot be read", "quote the value") from error


def main(argv: list[str]) -> None:
    """List, search or measure networks, as the command line says."""
    query, settings = read(argv)

    from ddoq.recipe.kinds import KINDS
    from ddoq.students.listing import described, matching, names

    kind = KINDS["student"]
    if query.name:
        text = _measured(query, settings)
    elif query.search:
        text = "\n".join(matching(query.search, names(kind.table))) + "\n"
    else:
        text = described(kind)
    sys.stdout.write(text)


def _measured(query: StudentQuery, settings: dict[str, Any]) -> str:
    from ddoq.recipe.component import build, required
    from ddoq.recipe.kinds import KINDS
    from ddoq.recipe.settings import complete
    from ddoq.recipe.signature import signature

    name = query.name
    block = complete(KINDS, "student", {"name": name, **settings})
    missing = required(KINDS, "student", block)
    if missing:
        raise UsageError(f"{name}: {missing[0]} is missing", f"add {missing[0]}=... to the command")

    from ddoq.students.size import size_of

    images = {
        "num_classes": query.num_classes,
        "channels": query.channels,
        "image_size": query.image_size,
    }
    asked = signature(KINDS["student"].target("student", name)).parameters
    net = build(KINDS, "student", block, **{k: v for k, v in images.items() if k in asked})
    size = size_of(net, name, **images)
    return (
        f"{name} for {images['num_classes']} classes of {images['channels']} x "
        f"{images['image_size']} x {images['image_size']} images\n"
        f"  parameters     {_millions(size.parameters)}\n"
        f"  multiply-adds  {_millions(size.multiply_adds)} per image\n"
        f"  features       {size.features or 'unknown'}\n"
    )


def _millions(number: int) -> str:
    return f"{number / 1e6:,.3f} million"
