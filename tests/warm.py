"""A Python that starts at once: it forks off one that has imported the slow libraries before.

    python warm.py PYTHON SOCKET

writes the file PYTHON, and then runs at the socket what that file is asked to: `-m MODULE`,
`-c PROGRAM` or a file, with arguments. Most of a short command's time is the importing of
Lightning, and the tests run many. Our own modules are imported anew by each command, and processes
that it starts are ordinary ones. A signal to PYTHON does not reach the command, so what is to be
killed is started without it.
"""

import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
import types
from pathlib import Path

SLOW = (
    *("torch", "lightning", "torchmetrics", "torchvision", "timm", "sklearn.datasets"),
    *("scipy.stats", "diffusers", "diffusers.models", "diffusers.schedulers", "matplotlib.pyplot"),
)
# What a command takes over from its client: standard input, output and error.
_STREAMS = 3
_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    about = [sys.argv[1:], os.getcwd(), dict(os.environ)]
    socket.send_fds(server, [json.dumps(about).encode() + b"\\n"], [0, 1, 2])
    sys.exit(int(server.makefile().readline() or 1))
"""


def serve(python: Path, address: Path) -> None:
    """Run each command in a fork, beside the others."""
    for name in SLOW:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen()
        python.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
        python.chmod(0o755)
        while True:
            connection, _ = listening.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    said, streams, _, _ = socket.recv_fds(connection, 2**20, _STREAMS)
    while not said.endswith(b"\n"):
        said += connection.recv(2**20)
    if not (command := os.fork()):
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os._exit(_code(*json.loads(said)))
    for stream in streams:
        os.close(stream)
    if connection in select.select([connection, os.pidfd_open(command)], [], [])[0]:
        # The client is gone.
        os.kill(command, signal.SIGKILL)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    connection.sendall(f"{code}\n".encode())
    os._exit(0)


def _code(words: list[str], folder: str, environment: dict[str, str]) -> int:
    """Run a command here; return the exit code that a Python would have."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.path[:] = [folder, *paths, *(p for p in sys.path[1:] if p not in paths)]
    try:
        how, *sys.argv[:] = words
        if how == "-m":
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        elif how == "-c":
            program, sys.argv[0] = sys.argv[0], how
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(program, "<string>", "exec"), vars(main))
        else:
            sys.argv[:] = words
            runpy.run_path(os.path.abspath(how), run_name="__main__")
        code: object = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve(*map(Path, sys.argv[1:]))
