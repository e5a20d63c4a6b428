"""The machine a process starts on: its user, its room on disk, and how many files it may open."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.startup_checks.findings import DATABASE_URL, Finding
from nerava.startup_checks.sqlite_file import file_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nerava.settings import Settings

OPEN_FILES_MIN: Final = 4_096
FREE_PERCENT_MIN: Final = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """What was seen of the machine.

    Attributes:
        user_id: The effective user of the process.
        open_files_max: How many files it may have open at once.
        free_percent: By setting, how much of the disk below its folder is free.
    """

    user_id: int
    open_files_max: int
    free_percent: Mapping[str, int]


def machine(settings: Settings) -> list[Finding]:
    """Find what keeps this machine from carrying production."""
    return judge(look(settings)) if settings.is_strict else []


def look(settings: Settings) -> Machine:
    """Return what the process sees of its machine."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    folders: dict[str, Path] = {"NERAVA_TOKENS__KEYS_DIRECTORY": settings.tokens.keys_directory}
    if (file := file_of(settings.database.url)) is not None:
        folders[DATABASE_URL] = file.parent
    free = {setting: _free_percent(folder) for setting, folder in folders.items()}
    return Machine(os.geteuid(), soft if soft != resource.RLIM_INFINITY else 2**31, free)


def judge(seen: Machine) -> list[Finding]:
    """Return what is wrong with a machine."""
    found: list[Finding] = []
    if seen.user_id == 0:
        found.append(Finding("NERAVA_ENV", "production does not run as root; start it as a user of its own"))
    if seen.open_files_max < OPEN_FILES_MIN:
        found.append(
            Finding("NERAVA_ENV", f"production needs {OPEN_FILES_MIN} open files; raise `ulimit -n`")
        )
    found += [
        Finding(setting, f"less than {FREE_PERCENT_MIN} % of its disk is free")
        for setting, percent in seen.free_percent.items()
        if percent < FREE_PERCENT_MIN
    ]
    return found


def _free_percent(folder: Path) -> int:
    existing = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    try:
        usage = shutil.disk_usage(existing)
    except OSError:
        return 100  # That it cannot be looked at is told by whoever needs what is in it.
    return usage.free * 100 // usage.total
