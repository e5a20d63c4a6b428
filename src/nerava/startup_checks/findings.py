"""What forbids a start: told by the setting's name, never by its value."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Sequence

EX_CONFIG: Final = 78
"""Exit code of a process that must not start (sysexits.h)."""

Process = Literal["serve", "work"]
"""The two processes of an installation."""

DATABASE_URL: Final = "NERAVA_DATABASE__URL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that forbids the start: the setting's name and what is wrong, without its value."""

    setting: str
    problem: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.setting}: {self.problem}"


class ConfigurationRefused(NeravaError):
    """The process must not start; it exits with 78."""

    code = "configuration-refused"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "The configuration does not allow a start"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = tuple(findings)
