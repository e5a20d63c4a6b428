"""Processes of `nerava` that start in a moment: forked from one that has loaded the product already.

Run as `python -m tests.chaos.nursery` it reads orders, a JSON object a line: `start` forks a child that
runs `nerava` with some arguments, settings and a file for its output, and answers its process id; `wait`
answers how a child ended, `poll` whether it has. What a child does from there on is what `nerava` does.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
RUNS: Final = 1_000
"""What `poll` answers of a child that has not ended."""


class Nursery:
    """The nursery as a test sees it; every child ends with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._turn = threading.Lock()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> int:
        """Start `nerava` with these settings beside those of this process, and return its process id."""
        settings = {**os.environ, **environment}
        return self._ask({"start": list(arguments), "environment": settings, "output": str(output)})

    def wait(self, pid: int) -> int:
        """Wait until a child has ended and return how: its exit code, or minus the signal that ended it."""
        return self._ask({"wait": pid})

    def poll(self, pid: int) -> int | None:
        """Return how a child has ended; None while it runs. Each end is told once."""
        code = self._ask({"poll": pid})
        return None if code == RUNS else code

    def close(self) -> None:
        """End every child, and the nursery."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, order: Mapping[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def child(self, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> Child:
        """Start `nerava` and return it as a handle."""
        return Child(self, self.start(arguments, environment, output), output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Child:
    """A process that a nursery started, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, nursery: Nursery, pid: int, output: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        self._output = output

    def poll(self) -> int | None:
        """Return how it has ended; None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.poll(self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended and return how."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("nerava", timeout)
            time.sleep(0.01)
        return code

    def communicate(self, timeout: float = 60) -> tuple[str, None]:
        """Wait until it has ended and return what it said."""
        self.wait(timeout)
        return self._output.read_text(), None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


@cache
def nursery_of_this_process() -> Nursery:
    """Return a nursery that ends with this process."""
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


def be_born(arguments: Sequence[str], environment: Mapping[str, str], output: str) -> None:
    """Become a process of `nerava`; never returns."""
    code = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["nerava", *arguments]
        from nerava.__main__ import main  # noqa: PLC0415 - the parent loads the product after it is asked

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve_orders() -> None:
    """Carry out orders until there are no more."""
    # All that a process of either kind loads; no thread may run when it is forked.
    import nerava.__main__  # noqa: PLC0415
    import nerava.commands.running  # noqa: PLC0415
    import nerava.commands.serve  # noqa: F401, PLC0415

    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            answer = os.fork()
            if answer == 0:
                be_born(order["start"], order["environment"], order["output"])
            children.add(answer)
        else:
            pid, status = os.waitpid(
                order.get("wait", order.get("poll")), 0 if "wait" in order else os.WNOHANG
            )
            children.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else RUNS
        print(answer, flush=True)  # noqa: T201 - its answer
    for one in children:
        os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)


if __name__ == "__main__":
    serve_orders()
