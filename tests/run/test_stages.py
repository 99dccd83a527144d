"""Does a key change with the code of its stage, and of what the stage is made from?"""

import pytest

from ddoq.run import stages
from ddoq.run.stages import versioned


def test_a_key_keeps_what_it_holds():
    assert versioned("cell", {"seed": 3})["seed"] == 3


@pytest.mark.parametrize("changed", ["pretrain", "latents", "study", "quantization"])
def test_points_depend_on_all_that_they_are_made_from(monkeypatch, changed: str):
    before = versioned("quantization", {})
    newer = {**stages.STAGE_VERSIONS, changed: stages.STAGE_VERSIONS[changed] + 1}
    monkeypatch.setattr(stages, "STAGE_VERSIONS", newer)
    assert versioned("quantization", {}) != before


def test_a_cell_depends_on_its_own_code_alone(monkeypatch):
    # Its key holds the set's content, not how it was made.
    before = versioned("cell", {})
    monkeypatch.setattr(stages, "STAGE_VERSIONS", {**stages.STAGE_VERSIONS, "quantization": 99})
    assert versioned("cell", {}) == before


def test_a_plug_in_has_stages_of_its_own():
    assert versioned("matching", {"seed": 3}) == {"version": [0], "seed": 3}


def test_a_part_of_a_stage_has_the_stages_version():
    assert versioned("pretrain/teacher", {}) == versioned("pretrain/prior", {})
