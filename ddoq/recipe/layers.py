"""Layers of a recipe, as files and overrides have them: plain data, not yet merged or checked."""

import json
import warnings
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ddoq.errors import UsageError
from ddoq.recipe import shipped
from ddoq.recipe.component import is_code
from ddoq.recipe.schema import PLACES, without_places
from ddoq.recipe.signature import nearest


def names() -> dict[str, str]:
    """Return every shipped recipe with the first line of its header."""
    root = shipped.recipes()
    files = sorted(root.rglob("*.yaml"))
    return {str(f.relative_to(root).with_suffix("")): _headline(f) for f in files}


def _headline(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip()


def name_of(wanted: str) -> str:
    """Return the name of a recipe that was asked for by its name or its path."""
    path = Path(wanted)
    return path.stem if path.suffix in (".yaml", ".yml") else wanted


def file_layers(wanted: str, seen: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return the layers of a recipe file, its bases first."""
    if wanted in seen:
        raise UsageError(f"recipe {wanted} is its own base", f"break the ring {seen}")
    is_path = Path(wanted).suffix in (".yaml", ".yml")
    file = Path(wanted).expanduser() if is_path else shipped.recipes() / f"{wanted}.yaml"
    if not file.is_file() or not (is_path or wanted in names()):
        raise UsageError(
            f"there is no file {wanted}" + (" in this folder" if file.parent == Path() else "")
            if is_path
            else f"there is no recipe {wanted!r}{nearest(wanted, names())}",
            f"use one of {', '.join(names())}, or the path of a .yaml file",
        )
    try:
        layer = _plain(OmegaConf.load(file), str(file))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is not plain YAML: {str(error).splitlines()[0]}", "fix the file"
        ) from error
    except RecursionError:
        raise UsageError(f"{file} is nested too deep", "a recipe is a few blocks deep") from None
    base = layer.pop("base", None)
    if without_places(layer) != layer:
        warnings.warn(
            f"{file}: places of files ({', '.join(PLACES)}, trainer.default_root_dir) are set only "
            "on the command line; those in the file are ignored",
            stacklevel=2,
        )
        layer = without_places(layer)
    return [*(file_layers(str(base), (*seen, wanted)) if base else []), layer]


def parsed(override: str) -> dict[str, Any]:
    """Read one `key=value` as a layer of a recipe."""
    try:
        return _plain(OmegaConf.from_dotlist([override]), override)
    except (YAMLError, OmegaConfBaseException) as error:
        raise UsageError(
            f"{override!r} cannot be read: {str(error).splitlines()[0]}", "quote the value"
        ) from error
    except RecursionError:
        raise UsageError(
            f"{override[:40]}... is nested too deep", "a recipe is a few blocks deep"
        ) from None


def _plain(config: Any, source: str) -> dict[str, Any]:
    layer = OmegaConf.to_container(config, resolve=False)
    if not isinstance(layer, dict):
        raise UsageError(f"{source} is not a mapping", "a recipe is made of key: value")
    if "${" in json.dumps(layer, default=str):
        raise UsageError(f"{source} contains ${{...}}", "recipes are data: write the value itself")
    return {str(k): v for k, v in layer.items()}


def refuse_code(layers: list[dict[str, Any]], *, allowed: bool) -> None:
    """Refuse a user's own code named in a file, unless the command line allows it."""
    for name in [n for layer in layers for n in _component_names(layer)]:
        if ":" in name and not allowed:
            raise UsageError(
                f"the recipe file names code to run: {name}",
                "if you trust it, add allow_code=true on the command line",
            )


def _component_names(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["name"]] if isinstance(value.get("name"), str) else []
        return own + [n for v in value.values() for n in _component_names(v)]
    if isinstance(value, list):
        return [n for v in value for n in _component_names(v)]
    # A bare string may name a component too.
    return [value] if isinstance(value, str) and is_code(value) else []
