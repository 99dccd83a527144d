"""Start a component or a recipe of your own: write a file that runs as it is, to be changed.

    python -m ddoq.new student|distiller|source|guide|recipe NAME

For example, `python -m ddoq.new student WideNet` writes widenet.py, and says how to use it.
"""

import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from ddoq import command
from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest

_SKELETONS = Path(__file__).parent / "skeletons"
_CLASSES = {
    "student": "MyStudent",
    "distiller": "MyDistiller",
    "source": "MySource",
    "guide": "MyGuide",
}
_KINDS = (*_CLASSES, "recipe")


def main(argv: list[str]) -> None:
    """Write the file, and print the command that uses it."""
    kind, name = _asked(argv)
    file = Path(f"{name.lower()}.py" if kind in _CLASSES else f"{name}.yaml")
    if file.exists():
        raise UsageError(f"{file} is there already", "choose another name, or move it away")
    if kind in _CLASSES:
        _refuse_module(name)
    if kind == "recipe":
        text = (_SKELETONS / "recipe.yaml").read_text(encoding="utf-8").replace("NAME", name)
    else:
        text = (_SKELETONS / f"{kind}.py").read_text(encoding="utf-8")
        text = text.replace(_CLASSES[kind], name).replace("MODULE", file.stem)
    file.write_text(text, encoding="utf-8")
    used = next(line for line in text.splitlines() if "python -m ddoq.fit" in line)
    sys.stdout.write(f"wrote {file}; it runs as it is:\n{used.lstrip('# ')}\n")


def _asked(argv: list[str]) -> tuple[str, str]:
    if len(argv) != 2:
        raise UsageError(
            f"new takes a kind and a name, not {len(argv)} arguments",
            f"write `python -m ddoq.new student WideNet`, or one of {', '.join(_KINDS)}",
        )
    kind, name = argv
    if kind not in _KINDS:
        raise UsageError(
            f"there is no kind {kind!r}{nearest(kind, _KINDS)}", f"use one of {', '.join(_KINDS)}"
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise UsageError(
            f"{name!r} cannot be a class's name", "use letters, digits and _, as in WideNet"
        )
    return kind, name


def _refuse_module(name: str) -> None:
    """Refuse a file that Python would take for another module, and a class that it cannot have."""
    module = name.lower()
    is_another = module in sys.stdlib_module_names or find_spec(module) is not None
    if keyword.iskeyword(name) or keyword.iskeyword(module) or is_another:
        raise UsageError(
            f"{module}.py would stand in for Python's own, or an installed, {module}"
            if is_another
            else f"{name} is a word of Python's own",
            f"choose another name, such as My{name}",
        )


if __name__ == "__main__":
    command.run(main)
