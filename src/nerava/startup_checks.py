"""What must be true before a process may serve: checked without a socket, told by name, never by value."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from nerava.kernel.errors import NeravaError
from nerava.settings import PREFIX, PROFILES, Settings, TokenSettings, unknown_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EX_CONFIG: Final = 78
"""Exit code of a process that must not start (sysexits.h)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that forbids the start: the setting's name and what is wrong, without its value."""

    setting: str
    problem: str


class ConfigurationRefused(NeravaError):
    """The process must not start; it exits with 78."""

    code = "configuration-refused"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "The configuration does not allow a start"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{one.setting}: {one.problem}" for one in findings))
        self.findings = tuple(findings)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment.

    Args:
        environment: What to check for unknown names instead of the process's environment.

    Raises:
        ConfigurationRefused: With every setting that cannot be read or is unknown.
    """
    findings = [Finding(name, "no such setting") for name in unknown_names(environment)]
    try:
        settings = Settings()
    except ValidationError as error:
        findings += [Finding(_variable(one["loc"]), one["msg"]) for one in error.errors(include_input=False)]
        raise ConfigurationRefused(findings) from None
    except SettingsError:
        findings.append(Finding(PREFIX, "a group of settings is not readable"))
        raise ConfigurationRefused(findings) from None
    if findings:
        raise ConfigurationRefused(findings)
    return settings


def check_start(settings: Settings) -> None:
    """Check that `serve` or `work` may start under these settings.

    Raises:
        ConfigurationRefused: With everything that forbids it.
    """
    findings = [*_profile(settings), *_interpreter(), *_database(settings), *_tokens(settings)]
    if findings:
        raise ConfigurationRefused(findings)


def _profile(settings: Settings) -> list[Finding]:
    if settings.env is None:
        return [Finding("NERAVA_ENV", f"must be set to one of {', '.join(PROFILES)}")]
    return []


def _interpreter() -> list[Finding]:
    if sys.flags.optimize:
        return [Finding("PYTHONOPTIMIZE", "must not be set: the product's own checks would be gone")]
    return []


def _database(settings: Settings) -> list[Finding]:
    on_sqlite = settings.database.url.startswith("sqlite")
    if settings.is_strict and on_sqlite and not settings.single_node:
        return [Finding("NERAVA_DATABASE__URL", "SQLite in production needs NERAVA_SINGLE_NODE=true")]
    if on_sqlite and settings.worker.in_web_process is False:
        return [Finding("NERAVA_WORKER__IN_WEB_PROCESS", "one process must own a SQLite file")]
    return []


def _tokens(settings: Settings) -> list[Finding]:
    if settings.is_strict and settings.tokens.issuer == TokenSettings().issuer:
        return [Finding("NERAVA_TOKENS__ISSUER", "must name this installation")]
    return []


def _variable(location: Sequence[int | str]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)
