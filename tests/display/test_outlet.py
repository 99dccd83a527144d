import io
import sys
from typing import Any

import pytest
from rich.console import Console as Terminal
from rich.table import Table

from ddoq.display.outlet import Outlet


def encoded(encoding: str) -> tuple[io.BytesIO, Outlet]:
    below = io.BytesIO()
    return below, Outlet(io.TextIOWrapper(below, encoding=encoding))


def test_what_can_be_shown_is_shown_as_it_is():
    below, outlet = encoded("utf-8")
    outlet.writelines(["90.0 ± 2.8\n", "é\n"])
    outlet.flush()
    assert below.getvalue().decode() == "90.0 ± 2.8\né\n"


def test_a_sign_that_cannot_be_shown_is_replaced_by_one_of_the_same_width():
    below, outlet = encoded("ascii")
    outlet.write("90.0 ± 2.8 · é\n")
    outlet.flush()
    assert below.getvalue() == b"90.0 ~ 2.8 - ?\n"


def test_a_table_is_shown_in_an_encoding_without_its_lines():
    below, outlet = encoded("ascii")
    stream: Any = outlet
    table = Table("student", "top-1")
    table.add_row("convnet", "90.0 ± 2.8")
    Terminal(file=stream, width=40).print(table)
    outlet.flush()
    assert b"90.0 ~ 2.8" in below.getvalue()


def test_a_closed_stream_takes_nothing_and_says_nothing():
    below, outlet = encoded("utf-8")
    below.close()
    assert outlet.write("lost") == 4
    outlet.flush()
    outlet.leave()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_takes_nothing_and_says_nothing():
    with open("/dev/full", "w", encoding="utf-8") as stream:
        outlet = Outlet(stream)
        assert outlet.write("lost" * 10_000) == 40_000
        outlet.flush()
        outlet.leave()
