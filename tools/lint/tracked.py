"""What no tracked file may say: where packages came from here, and where this machine keeps things."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.lint.source import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

# Written in pieces, or this file would find itself.
_REGISTRY: Final = re.compile(
    r"py" r"pi\.(org|python\.org)|python" r"hosted\.org|registry\.(npm" r"js\.org|yarn" r"pkg\.com)"
)
_MACHINE: Final = re.compile(r"(?<![\w./-])/(root|home/\w+|Users/\w+|work/\w+)/[\w.]")


def tracked_files(root: Path) -> list[str]:
    """Return what git tracks; where git is missing or knows nothing, every file that is not hidden."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"],  # noqa: S607 - git is wherever the system keeps it
            capture_output=True, check=True, encoding="utf-8", errors="surrogateescape", timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not any(part.startswith(".") for part in path.parts))
    return [name for name in asked.stdout.split("\0") if name]


def addresses(root: Path) -> Iterator[Violation]:
    """Find addresses of package registries and paths of a machine in any tracked text file."""
    here = str(root.resolve())
    for name in tracked_files(root):
        try:
            text = Path(root, name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # deleted, or no text
        for number, line in enumerate(text.splitlines(), 1):
            if found := _REGISTRY.search(line):
                yield Violation(name, number, "addresses", f"`{found.group()}` is the address of a registry")
            if here in line or _MACHINE.search(line):
                yield Violation(name, number, "addresses", "a path of a machine")
