import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ddoq
from ddoq import command
from ddoq.errors import DataError, IntegrityError, ResourceError, UsageError
from ddoq.processes import stop
from ddoq.processes.world import World, launch


def started(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def ended(body, arguments: list[str] | None = None) -> int:
    """Run a body as a command and return its exit code."""
    try:
        with pytest.raises(SystemExit) as caught:
            command.run(body, arguments or [])
    finally:
        stop.forget()
    return caught.value.code


def raising(error: BaseException):
    def body(_: list[str]) -> None:
        raise error

    return body


@pytest.mark.parametrize("module", [["-m", "ddoq.fit"], ["-m", "ddoq", "fit"]])
def test_an_unknown_recipe_is_two_lines_and_exit_code_2(environment, module: list[str]):
    done = started(environment, *module, "recipe=digit")
    assert done.returncode == 2
    cause, remedy = done.stderr.splitlines()
    assert cause == "error: there is no recipe 'digit' (did you mean 'digits'?)"
    assert remedy.startswith("  remedy: use one of ")
    assert done.stdout == ""


def test_a_traceback_comes_only_with_debug(environment):
    done = started(environment, "-m", "ddoq.fit", "recipe=digit", "debug=true")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_warning_is_one_line_in_the_style_of_an_error(environment):
    code = (
        "import warnings; from ddoq import command\n"
        "def body(_): warnings.warn('two\\nlines', stacklevel=1)\n"
        "command.run(body, [])"
    )
    assert started(environment, "-c", code).stderr == "warning: two lines\n"


def test_the_commands_are_listed(environment):
    done = started(environment, "-m", "ddoq")
    assert done.returncode == 0
    assert "ddoq fit recipe=digits" in done.stdout


@pytest.mark.parametrize("command", [["ddoq", "fit"], ["ddoq.fit"], ["ddoq.fit", "recipe=digits"]])
def test_a_command_explains_itself(environment, command: list[str]):
    done = started(environment, "-m", *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "python -m ddoq.fit recipe=imagefolder data.root=FOLDER" in done.stdout


@pytest.mark.parametrize("name", ["ddoq", "ddoq.students"])
def test_the_version_is_told(environment, name: str):
    assert started(environment, "-m", name, "--version").stdout == f"ddoq {ddoq.__version__}\n"


def test_an_unknown_command_is_refused_with_the_nearest(environment):
    done = started(environment, "-m", "ddoq", "fitt")
    assert done.returncode == 2
    assert "did you mean 'fit'" in done.stderr


def test_the_recipes_are_listed_with_their_headlines(environment):
    done = started(environment, "-m", "ddoq", "recipes")
    assert done.returncode == 0
    assert any(line.startswith("digits ") and "8x8" in line for line in done.stdout.splitlines())


_WAITING = """
import sys, time
from ddoq import command
from ddoq.processes import stop
def body(arguments):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
command.run(body, [])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order_with_its_code(environment, number: int, code: int):
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITING],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "cleaned up\n")
    assert err == "stopped; run it again to go on\n"


_SPEAKING = """
import sys
from pathlib import Path
from ddoq import command
def body(arguments):
    from ddoq.display.console import Console
    for _ in range(3):
        Console().say("90.0 ± 2.8 " * 2000)
        sys.stdout.write("more\\n")
    print("a hint", file=sys.stderr)
    Path(arguments[0]).write_text("the result")
command.run(body)
"""


@pytest.mark.parametrize("channels", ["> /dev/full", "2>&1 > /dev/full", "| head -1", ">&- 2>&-"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_that_takes_nothing_costs_no_result(
    environment, tmp_path, channels: str, encoding: str
):
    command = f"{sys.executable} -c '{_SPEAKING}' {tmp_path}/result {channels}"
    environment = {**environment, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (tmp_path / "result").read_text() == "the result"
    assert (done.returncode, done.stderr.replace("a hint\n", "")) == (0, "")


def test_an_error_keeps_its_code_where_it_cannot_be_shown(environment):
    command = f"{sys.executable} -m ddoq.fit recipe=digit 2> /dev/full"
    assert subprocess.run(["bash", "-c", command], env=environment, timeout=60).returncode == 2


def test_a_body_that_ends_well_is_exit_code_0():
    assert ended(lambda _: None) == 0


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (DataError, 3), (ResourceError, 4), (IntegrityError, 5)]
)
def test_each_kind_of_error_has_its_code(kind, code: int, capsys):
    assert ended(raising(kind("the cause", "the remedy"))) == code
    assert capsys.readouterr().err == "error: the cause\n  remedy: the remedy\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_what_the_machine_refuses_is_exit_code_4_with_the_file_named(number: int, capsys):
    assert ended(raising(OSError(number, os.strerror(number), "a/file"))) == 4
    cause, remedy = capsys.readouterr().err.splitlines()
    assert cause == f"error: {os.strerror(number)}: a/file"
    assert "cache=" in remedy


@pytest.mark.parametrize("error", [FileNotFoundError(2, "none"), ZeroDivisionError()])
def test_an_error_of_the_programs_own_keeps_its_traceback(error: Exception, capsys):
    assert ended(raising(error)) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_process_alone_is_a_world_of_one():
    world = launch({"accelerator": "cpu"})
    assert (world.rank, world.size, world.is_first) == (0, 1, True)
    assert (world.broadcast("x"), world.gather("x"), world.share([1, 2])) == ("x", ["x"], [1, 2])
    world.barrier()


def test_jobs_are_shared_without_remainder():
    shares = []
    for rank in range(3):
        world = World()
        world.rank, world.size = rank, 3
        shares += world.share(list(range(8)))
    assert sorted(shares) == list(range(8))


_WITHOUT_RECIPE = {
    "students": ("image_sizes=8", "image_size"),
    "ablate": ("point=1", "points"),
    "theory": ("sed=1", "seed"),
}

_LIGHT = """
import sys
from ddoq.__main__ import chosen
from ddoq.errors import UsageError
try:
    body, rest = chosen(sys.argv[1:])
    body(rest)
except UsageError:
    print(*sorted({"torch", "ot", "sklearn", "matplotlib", "rich"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", ["ablate", "theory"])
def test_without_a_checkout_an_experiment_says_where_it_is(environment, tmp_path, name: str):
    (tmp_path / "ddoq").symlink_to(Path(ddoq.__file__).parent)
    # Without site-packages, where a checkout may be installed.
    alone = {**environment, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-S", "-m", f"ddoq.{name}"]
    done = subprocess.run(command, env=alone, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"python -m benchmarks.{name}` in a checkout" in done.stderr


@pytest.mark.parametrize("name", _WITHOUT_RECIPE)
def test_a_wrong_argument_costs_no_heavy_import(environment, name: str):
    argument, _ = _WITHOUT_RECIPE[name]
    done = started(environment, "-c", _LIGHT, name, argument)
    assert done.stdout.strip() == "", done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", _WITHOUT_RECIPE)
@pytest.mark.parametrize("start", ["-m ddoq.{}", "-m ddoq {}"])
def test_a_wrong_argument_is_two_lines_and_exit_code_2(environment, name: str, start: str):
    argument, meant = _WITHOUT_RECIPE[name]
    done = started(environment, "-W", "error", *start.format(name).split(), argument)
    assert done.returncode == 2
    key = argument.partition("=")[0]
    cause, _ = done.stderr.splitlines()
    assert cause == f"error: there is no key {key!r} (did you mean {meant!r}?)"
