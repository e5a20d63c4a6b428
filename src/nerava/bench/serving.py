"""The processes of `nerava bench money`: the server that we ship, a bare one, and how much CPU each uses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

END_S: Final = 30

_WATCHED: Final = """
import os, signal, threading

def end_with_who_wanted_it():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_who_wanted_it, daemon=True).start()
"""
"""What a server begins with. Its standard input ends with the bench, even where that is killed outright."""

_SERVE: Final = """
import runpy, sys
sys.argv[1:] = ["serve"]
runpy.run_module("nerava", run_name="__main__", alter_sys=True)
"""

_HELLO: Final = """
import socket
from nerava.bench.hello import serve_hello
listening = socket.create_server(("127.0.0.1", 0), backlog=socket.SOMAXCONN)
print(f"hello on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
serve_hello(listening)
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs as a process of its own."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Return what the process used of the processors so far; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[Served]:
    """Run `nerava serve` under these settings and no others, until the block ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NERAVA_")}
    with _running("serve", _SERVE, {**kept, **environment}) as one:
        yield one


@contextmanager
def hello_served() -> Iterator[Served]:
    """Run the bare application under the same server, until the block ends."""
    with _running("hello", _HELLO, dict(os.environ)) as one:
        yield one


@contextmanager
def _running(name: str, program: str, environment: Mapping[str, str]) -> Iterator[Served]:
    # Standard error stays where the bench's own goes: a server that does not start says there why.
    command, pipe = [sys.executable, "-c", _WATCHED + program], subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            message = f"{name} did not start: {line}"
            raise RuntimeError(message)
        yield Served(process.pid, int(found[1]))
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for one in (process.stdin, process.stdout):
            if one:
                one.close()
