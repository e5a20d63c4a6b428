"""What a gate says, and how it runs what it asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

SAID_LINES: Final = 40
"""So much of what a failed command said is shown."""


class State(StrEnum):
    """How a gate ended. Only `passed` is a pass."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says.

    Attributes:
        why: In a few words; of a skip, what could not be looked at.
        said: What the commands said that failed.
    """

    state: State
    why: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a gate.

    Attributes:
        root: The checkout that is judged.
        threshold_percent: Of lines and branches that tests run through, at least.
        tests: What pytest is given; nothing means the whole quick suite, and anything else is no pass.
        processes: Of pytest.
        environment: On top of the process's own.
    """

    root: Path
    threshold_percent: int = 90
    tests: tuple[str, ...] = ()
    processes: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that has to be true.

    Attributes:
        what: What it asks, in a few words.
    """

    name: str
    what: str
    judge: Callable[[Asked], Verdict]


def passed(why: str = "") -> Verdict:
    """Return that all was well."""
    return Verdict(State.PASSED, why)


def failed(why: str, said: str = "") -> Verdict:
    """Return that something was not."""
    return Verdict(State.FAILED, why, "\n".join(said.strip().splitlines()[-SAID_LINES:]))


def skipped(why: str) -> Verdict:
    """Return that it could not be looked at; that is no pass."""
    return Verdict(State.SKIPPED, why)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    said: str


def ask(asked: Asked, command: Sequence[str], *, timeout_s: int = 600, **more: str) -> Ended:
    """Run a command in the checkout; one that cannot be run, or does not end, ends with a code of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{asked.root / 'src'}{os.pathsep}{asked.root}",
        "NO_COLOR": "1",
        **asked.environment,
        **more,
    }
    try:
        done = subprocess.run(
            list(command), cwd=asked.root, env=environment, capture_output=True, text=True, check=False,
            timeout=timeout_s,
        )  # fmt: skip
    except OSError as error:
        return Ended(127, f"{command[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Ended(124, f"{command[0]}: did not end within {timeout_s} s")
    return Ended(done.returncode, done.stdout + done.stderr)


def tool(name: str) -> str:
    """Return a program of the environment that this interpreter is in."""
    return str(Path(sys.executable).with_name(name))


def python(*arguments: str) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, *arguments]


def all_of(asked: Asked, commands: Mapping[str, Sequence[str]], *, timeout_s: int = 600) -> Verdict:
    """Run every command, whatever the one before said, and return which of them were not content."""
    bad = {
        name: ended
        for name, command in commands.items()
        if (ended := ask(asked, command, timeout_s=timeout_s)).code
    }
    if not bad:
        return passed(f"{len(commands)} checks" if len(commands) > 1 else "")
    said = "\n".join(
        f"{name}: {line}" for name, one in bad.items() for line in one.said.strip().splitlines()[-12:]
    )
    return failed(", ".join(bad), said)
