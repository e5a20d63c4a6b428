"""Processes of `nerava` that start in a moment: forked from one that has loaded the product already.

Run as `python -m tests.chaos.nursery` it reads orders, a JSON object a line: `start` forks a child that
runs `nerava` with some arguments, settings and a file for its output, and answers its process id; `wait`
answers how a child ended. What a child does from there on is what `nerava` does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]


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
        """Start `nerava` and return its process id."""
        return self._ask({"start": list(arguments), "environment": dict(environment), "output": str(output)})

    def wait(self, pid: int) -> int:
        """Wait until a child has ended and return how: its exit code, or minus the signal that ended it."""
        return self._ask({"wait": pid})

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def be_born(arguments: Sequence[str], environment: Mapping[str, str], output: str) -> None:
    """Become a process of `nerava`; never returns."""
    code = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
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
            children.discard(order["wait"])
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        print(answer, flush=True)  # noqa: T201 - its answer
    for one in children:
        os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)


if __name__ == "__main__":
    serve_orders()
