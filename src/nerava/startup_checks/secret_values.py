"""The secrets of the installation: all there, strong, and written nowhere else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from nerava.kernel.clock import SystemClock
from nerava.platform.secrets import SecretKind, SecretMissing, Secrets, SecretUnusable
from nerava.startup_checks.findings import DATABASE_URL, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nerava.settings import Settings

_EXAMPLES: Final = ("change", "example", "secret", "passwor", "default", "nerava", "012345678", "abcdefgh")
"""What stands in examples and never in 32 random bytes: six letters are one chance in a thousand million."""

_ARGUMENT: Final = "stands on the command line, where everybody on the machine can read it"


def secret_values(settings: Settings) -> list[Finding]:
    """Find a secret that is missing, unusable, weak, or the same as something that is no secret.

    Outside production a missing one is made beside the signing keys; what is given is checked there too.
    """
    given = settings.secrets.given()
    secrets = Secrets(given, SystemClock())
    wanted = set(SecretKind) if settings.is_strict else set(given)
    named = {kind.setting for kind in wanted}
    found = [_by_its_place(one.setting, one.problem) for one in secrets.weaknesses() if one.setting in named]
    known = _known_elsewhere(settings)
    for kind, value in _readable(secrets, wanted):
        text = base64.b64encode(value).decode()
        if any(
            word in shown for word in _EXAMPLES for shown in (text.lower(), value.lower().decode("latin-1"))
        ):
            found.append(Finding(kind.setting, "is an example; use 32 random bytes"))
        if value in known or text.encode() in known:
            found.append(Finding(kind.setting, "is the same as an address or a password"))
    return found


def one_source(settings: Settings) -> list[Finding]:
    """Find a password of the database in its address, where AWS is said to keep the secrets."""
    if settings.secrets.provider == "aws" and _password_of(settings.database.url):
        said = "holds a password; name its secret in NERAVA_DATABASE__PASSWORD instead"
        return [Finding(DATABASE_URL, said)]
    return []


def arguments(settings: Settings, command_line: Sequence[str]) -> list[Finding]:
    """Find a secret on the command line."""
    if not settings.is_strict:
        return []
    line = [unquote(one) for one in command_line]
    found: list[Finding] = []
    password = _password_of(settings.database.address)
    if password and any(password in one for one in line):
        found.append(Finding(DATABASE_URL, f"its password {_ARGUMENT}"))
    secrets = Secrets(settings.secrets.given(), SystemClock())
    for kind, value in _readable(secrets, set(SecretKind)):
        spelled = base64.b64encode(value).decode().rstrip("=")
        if any(spelled in one.replace("-", "+").replace("_", "/") for one in line):
            found.append(Finding(kind.setting, _ARGUMENT))
    return found


def _readable(secrets: Secrets, kinds: set[SecretKind]) -> Iterator[tuple[SecretKind, bytes]]:
    for kind in SecretKind:
        if kind not in kinds:
            continue
        try:
            values = secrets.accepted(kind)
        except (SecretMissing, SecretUnusable):
            continue  # `weaknesses` tells it.
        yield from ((kind, value.reveal()) for value in values)


def _known_elsewhere(settings: Settings) -> set[bytes]:
    url, tokens = settings.database.address, settings.tokens
    texts = (url, _password_of(url), tokens.issuer, tokens.audience)
    return {text.encode() for text in texts if text}


def _by_its_place(setting: str, problem: str) -> Finding:
    """Name the file's variable where the problem is the file's."""
    place, colon, rest = problem.partition(": ")
    return Finding(place, rest) if colon and place.startswith(setting) else Finding(setting, problem)


def _password_of(url: str) -> str | None:
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password else None
