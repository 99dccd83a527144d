"""Do keys change with the versions of the code behind a result, and only with them?"""

from ddoq.files.stage import Stage

BASE = Stage("base", 3)
TOP = Stage("top", 1, (BASE,))


def test_a_key_keeps_what_determines_the_stage():
    assert TOP.versioned({"seed": 3}) == {"version": [3, 1], "seed": 3}


def test_a_new_version_of_what_a_stage_is_made_from_gives_it_a_new_key():
    newer = Stage("top", 1, (Stage("base", 4),))
    assert newer.versioned({}) != TOP.versioned({})


def test_parts_are_of_one_code_in_folders_of_their_own():
    first, second = TOP.part("a"), TOP.part("b")
    assert first.versioned({}) == second.versioned({}) == TOP.versioned({})
    assert (first.name, second.name) == ("top/a", "top/b")


def test_a_plug_ins_stage_has_no_version():
    assert Stage("matching").versioned({"seed": 3}) == {"version": [0], "seed": 3}
