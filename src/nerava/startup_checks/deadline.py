"""Looks at something that may never answer, and gives up in time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.startup_checks.findings import Finding

LOOK_MAX_S: Final = 3.0
"""With what comes before, a process that must not start is gone within 5 s."""


def within(look: Callable[[], list[Finding]], late: Finding, *, seconds: float = LOOK_MAX_S) -> list[Finding]:
    """Return what `look` finds, or `late` when it does not come back in time.

    A look that hangs (a dead network disk, a server that takes connections and says nothing) is left
    behind in a daemon thread, which does not keep the process from exiting.
    """
    found: list[list[Finding]] = []
    broken: list[BaseException] = []

    def run() -> None:
        try:
            found.append(look())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for it
            broken.append(error)

    thread = threading.Thread(target=run, name="start-up check", daemon=True)
    thread.start()
    thread.join(seconds)
    if broken:
        raise broken[0]
    return found[0] if found else [late]
