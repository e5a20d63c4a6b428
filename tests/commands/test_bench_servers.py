"""The servers of a benchmark end with it, even where it cannot end them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Final

PATIENCE_S: Final = 60

BENCH: Final = """
import time
from nerava.bench.serving import hello_served
with hello_served() as one:
    print(one.port, flush=True)
    time.sleep(600)
"""


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def test_a_benchmark_that_is_killed_leaves_no_server_behind() -> None:
    bench = subprocess.Popen([sys.executable, "-c", BENCH], stdout=subprocess.PIPE, text=True)
    try:
        port = int(bench.stdout.readline() if bench.stdout else "")
        assert answers(port)
    finally:
        bench.kill()
        bench.communicate()
    until = time.monotonic() + PATIENCE_S
    while answers(port):
        assert time.monotonic() < until, "the server is still there"
        time.sleep(0.05)
