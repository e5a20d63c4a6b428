"""Reads the settings of the environment; what is unknown or unreadable is told by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from nerava.settings import DELIMITER, PREFIX, Settings, knobs, unknown_names
from nerava.settings.resolving import SecretsRefused
from nerava.startup_checks.findings import DATABASE_URL, ConfigurationRefused, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

_BACKEND: Final = re.compile(r"(sqlite|postgresql)(\+\w+)?://")
_FIELD: Final = re.compile(r'field "(\w+)"')
_MEANING: Final = {
    "missing": "must be set",
    "extra_forbidden": "no such setting",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "does not have the form docs/settings.md describes",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
}
"""In place of pydantic's words where those would show a value or a pattern."""


def load_settings(environment: Mapping[str, str] | None = None, database: str | None = None) -> Settings:
    """Return the settings of the environment.

    Args:
        environment: What to check for unknown names instead of the process's environment.
        database: Address that was named on the command line, in place of the setting's.

    Raises:
        ConfigurationRefused: With every setting that cannot be read or is unknown.
    """
    findings = [Finding(name, "no such setting") for name in unknown_names(environment)]
    try:
        settings = Settings()
    except ValidationError as error:
        findings += [Finding(_variable(one["loc"]), _told(one)) for one in error.errors(include_url=False)]
        raise ConfigurationRefused(findings) from None
    except SecretsRefused as refused:
        findings += [Finding(one.setting, one.problem) for one in refused.found]
        raise ConfigurationRefused(findings) from None
    except SettingsError as error:
        field = _FIELD.search(str(error))
        findings.append(Finding(_variable(field.groups() if field else []), "is not readable as JSON"))
        raise ConfigurationRefused(findings) from None
    if database is not None:
        chosen = settings.database.model_copy(update={"url": database})
        settings = settings.model_copy(update={"database": chosen})
    if not _BACKEND.match(settings.database.url):
        findings.append(
            Finding(DATABASE_URL, "must begin with sqlite:/// or postgresql+psycopg://; the books need one")
        )
    if findings:
        raise ConfigurationRefused(findings)
    return settings


def _told(error: ErrorDetails) -> str:
    """Return what is wrong with a value; words that would show a part of it are left out."""
    if error["type"] == "literal_error":
        return f"must be {error['ctx']['expected']}"
    message = _MEANING.get(error["type"], error["msg"].removeprefix("Value error, "))
    given = error["input"]
    values = given.values() if isinstance(given, dict) else [given]
    shown = any(isinstance(one, str) and one and one in message for one in values)
    return "cannot be used; docs/settings.md says what can" if shown else message


def _variable(location: Sequence[int | str]) -> str:
    """Return the variable of a place in the settings; what lies deeper, in its value, is left out."""
    known = {knob.name for knob in knobs()}
    name = PREFIX
    for depth, part in enumerate(location):
        name += (DELIMITER if depth else "") + str(part).upper()
        if name in known:
            break
    return name
