"""A script, standard library only, that runs one server and ends it with the process that wanted it.

`servers.GuardedProcess` starts it as `python -I -S server_guard.py PARENT UID GID SIGNAL FOLDER
COMMAND…`. It stands between the two because the parent can be killed with SIGKILL and then cleans up
nothing, and because the kernel's parent-death signal follows the *thread* that forked: set for the
parent itself, it would end a server that was started from a short-lived thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

LOOK_EVERY_S = 0.1
"""How often the guard looks whether its parent still lives."""

LOOKS_UNTIL_KILL = 50
"""How many looks a server may outlive the parent before it is killed outright."""

SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""All that a server sees: a PGPORT or PGOPTIONS of the caller must not change what is tested."""


def main(arguments: list[str]) -> int:
    """Run the command until it or the parent ends; return its exit code, 128 + n for signal n.

    Prints the server's process id on standard output. When the parent is gone, the server gets
    SIGNAL, later SIGKILL, and FOLDER is removed. Returns only when no process that the server
    started is left.
    """
    parent, uid, gid, last_signal = (int(text) for text in arguments[:4])
    folder, command = arguments[4], arguments[5:]
    # Whatever a killed server leaves behind becomes a child of ours, so it can be found and ended.
    _prctl(PR_SET_CHILD_SUBREAPER, 1)

    guard = os.getpid()
    server = os.fork()
    if server == 0:
        _become(command, uid=uid, gid=gid, guard=guard, last_signal=last_signal)
    os.write(sys.stdout.fileno(), f"{server}\n".encode())
    os.close(sys.stdout.fileno())

    looks_alone = 0

    def look(_signal: int, _frame: FrameType | None) -> None:
        nonlocal looks_alone
        if os.getppid() == parent:
            return
        looks_alone += 1
        with contextlib.suppress(ProcessLookupError):
            if looks_alone == 1:
                os.kill(server, last_signal)
            elif looks_alone > LOOKS_UNTIL_KILL:
                os.kill(server, signal.SIGKILL)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY_S, LOOK_EVERY_S)
    _, status = os.waitpid(server, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _end_leftovers()
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(command: list[str], *, uid: int, gid: int, guard: int, last_signal: int) -> NoReturn:
    """Turn this fresh child into the server."""
    try:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        # After setuid, which clears it: should the guard itself be killed, the server goes too.
        _prctl(PR_SET_PDEATHSIG, last_signal)
        if os.getppid() == guard:
            os.execve(command[0], command, SERVER_ENVIRONMENT)
    except OSError as error:
        os.write(sys.stderr.fileno(), f"cannot run {command[0]} as uid {uid}: {error}\n".encode())
    os._exit(127)


def _end_leftovers() -> None:
    """Kill and reap every process that the ended server left, as the loss of the machine would."""
    # Where the kernel does not list children (not Linux), they are waited for instead.
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while True:
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
