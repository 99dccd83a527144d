"""Are sets killed at any instant, and the same when they are learned to the end?"""

from pathlib import Path

import pytest

from benchmarks.signals.__main__ import Options, main
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json


@pytest.mark.slow
def test_a_set_whose_process_is_killed_has_the_same_bytes_in_the_end(tmp_path: Path):
    words = ["what=dm", "ranks=1", "signals=SIGKILL", "count=1", "steps=60"]
    main([*words, f"out={tmp_path / 'new' / 'signals.json'}"])
    [tried] = read_json(tmp_path / "new" / "signals.json")["tries"]
    assert (tried["signal"], tried["code"], tried["equal"]) == ("SIGKILL", -9, True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"what": "mtt"}, "use some of student, dm, dc, idm"),
        ({"signals": ("SIGHUP",)}, "use some of SIGTERM, SIGINT, SIGKILL"),
        ({"what": "dm", "ranks": 2}, "one process learns a set"),
    ],
)
def test_what_cannot_be_tried_is_refused(settings, words: str):
    with pytest.raises(UsageError, match=words):
        Options(**settings)
