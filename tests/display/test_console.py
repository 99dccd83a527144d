import io
import json
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from ddoq.display.console import Console


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(clock: Clock) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(terminal=Terminal(file=stream, width=80), clock=clock), stream


def on_terminal(clock: Clock | None = None) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, width=80)
    return Console(terminal=terminal, clock=clock or Clock()), stream


def test_without_a_terminal_a_stage_says_how_long_it_took():
    clock = Clock()
    console, stream = plain(clock)
    with console.stage("encode", total=2) as stage:
        clock.now += 3.2
        stage.advance(2)
    assert stream.getvalue() == "encode: done in 3.2 s\n"


def test_a_long_stage_speaks_every_ten_seconds():
    clock = Clock()
    console, stream = plain(clock)
    with console.stage("encode", total=100) as stage:
        for _ in range(100):
            clock.now += 0.25
            stage.advance()
    assert stream.getvalue().splitlines()[:-1] == [
        "encode: 40/100, 4.0/s, 15 s left",
        "encode: 80/100, 4.0/s, 5 s left",
    ]


def test_a_stage_of_unknown_length_tells_its_rate():
    clock = Clock()
    console, stream = plain(clock)
    with console.stage("encode") as stage:
        clock.now += 20
        stage.advance(50)
    assert "encode: 50, 2.5/s\n" in stream.getvalue()


def test_a_failed_stage_is_not_called_done():
    console, stream = plain(Clock())
    with pytest.raises(ZeroDivisionError), console.stage("encode") as stage:
        stage.advance(1 // 0)
    assert stream.getvalue().splitlines()[-1] == "encode: stopped after 0 s"


def test_on_a_terminal_a_stage_has_a_bar_with_its_count():
    console, stream = on_terminal()
    with console.stage("encode", total=3) as stage:
        stage.advance(2)
        console.say("a line meanwhile")
    text = stream.getvalue()
    assert "2/3" in text
    assert "a line meanwhile" in text
    assert "done in" not in text


def test_nested_stages_share_one_display():
    clock = Clock()
    console, stream = on_terminal(clock)
    with console.stage("outer", total=1) as outer:
        for name in ("first", "second"):
            with console.stage(name, total=7) as inner:
                clock.now += 2
                inner.advance(7)
        outer.advance()
    with console.stage("after"):
        clock.now += 2
    done = [
        name
        for name in ("first", "second", "outer", "after")
        if f"{name}: done" in stream.getvalue()
    ]
    assert done == ["first", "second", "outer", "after"]


def test_text_is_not_read_as_markup():
    console, stream = plain(Clock())
    console.say("[bold]x[/bold] " + "y" * 100)
    assert stream.getvalue() == "[bold]x[/bold] " + "y" * 100 + "\n"


def test_what_an_earlier_process_did_tells_nothing_about_the_pace():
    clock = Clock()
    console, stream = plain(clock)
    with console.stage("train", total=1000) as stage:
        stage.resume(990)
        clock.now += 50
        stage.advance()
    assert stream.getvalue().startswith("train: 991/1000, 50 s each, 7.5 min left\n")


def test_a_silent_console_says_and_writes_nothing(tmp_path: Path):
    stream = io.StringIO()
    console = Console(is_silent=True, terminal=Terminal(file=stream))
    console.open_log(tmp_path / "log.jsonl")
    console.say("a")
    console.show("b")
    console.log({"c": 1})
    with console.stage("d", total=1) as stage:
        stage.advance()
    assert (stream.getvalue(), list(tmp_path.iterdir()), stage.done) == ("", [], 1)


def test_events_from_before_the_log_was_opened_are_kept(tmp_path: Path):
    clock = Clock()
    console, _ = plain(clock)
    console.log({"event": "start"})
    clock.now += 1.5
    console.open_log(tmp_path / "log.jsonl")
    console.log({"loss": float("nan"), "folder": Path("a")})
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"seconds": 0.0, "event": "start"},
        {"seconds": 1.5, "loss": "nan", "folder": "a"},
    ]


def test_a_second_run_appends_to_the_log(tmp_path: Path):
    for number in range(2):
        console, _ = plain(Clock())
        console.open_log(tmp_path / "log.jsonl")
        console.log({"run": number})
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == [0, 1]
