"""Loaded by the processes that the start-up tests boot: notes every port that is opened, and what was loaded."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

NOTES = Path(os.environ["BOOT_NOTES"])
FRAMEWORKS = ("fastapi", "starlette", "uvicorn")


def _note(line: str) -> None:
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.bind":
        _note(f"bound {arguments[1]}")


def _at_the_end() -> None:
    for name in FRAMEWORKS:
        if name in sys.modules:
            _note(f"loaded {name}")


sys.addaudithook(_on_event)
atexit.register(_at_the_end)
