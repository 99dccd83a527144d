"""The folder of an export: the set in a format, its card, a picture, a script, and the recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import safe_dump

from ddoq.export.card import card
from ddoq.export.exported import Exported, rounded
from ddoq.export.picture import write_picture
from ddoq.export.plan import plan_of
from ddoq.export.run_folder import RunFolder
from ddoq.export.script import train_script
from ddoq.export.supplied import Supplied
from ddoq.export.writer import Writer
from ddoq.files.artifacts import write_json
from ddoq.files.places import without_places
from ddoq.formats.layout import ABOUT_FILE
from ddoq.recipe.schema import without_places as without_keys_of_places
from ddoq.synthetic import SyntheticSet

KIND = "exported set"


@dataclass(frozen=True)
class Contents:
    """All that goes into a folder."""

    exported: Exported
    origin: RunFolder
    supplied: Supplied
    name: str
    """The name of the format."""
    writer: Writer

    def write(self, work: Path) -> None:
        """Write all files."""
        self.writer.write(self.exported, work)
        write_json(work / ABOUT_FILE, self.exported.about(self.name))
        write_picture(work / "grid.png", self.exported.synthetic)
        text = card(self.exported, self.origin, self.writer, [*self.supplied.remarks])
        plan = plan_of(self.exported, self.origin, self.supplied)
        script = train_script(self.exported, self.writer, plan)
        (work / "README.md").write_text(text, encoding="utf-8")
        (work / "train.py").write_text(script, encoding="utf-8")
        if self.origin.recipe:
            (work / "recipe.yaml").write_text(_portable(self.origin.recipe), encoding="utf-8")


def exported_of(synthetic: SyntheticSet, supplied: Supplied, writer: Writer) -> Exported:
    """Return a set as a format can hold it, with what the run supplied."""
    told = None if writer.holds_floats else rounded(synthetic)
    written, rounding = told or (synthetic, None)
    soft = synthetic.targets if synthetic.targets is not None else supplied.soft_labels
    whose = "targets" if synthetic.targets is not None else "teacher"
    return Exported(
        written,
        soft_labels=None if soft is None else soft.float(),
        soft_of=whose if soft is not None else "",
        mean=supplied.mean,
        std=supplied.std,
        rounding=rounding,
    )


def _portable(recipe: Mapping[str, Any]) -> str:
    """Return a recipe as YAML without paths of this machine."""
    return safe_dump(without_places(without_keys_of_places(dict(recipe))), sort_keys=False)
