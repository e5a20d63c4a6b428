"""Secrets of the installation: read through one source, kept in a wrapper that shows nothing."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import logging
import os
import random
import re
import secrets as csprng
import stat
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from nerava.kernel.errors import NeravaError
from nerava.platform.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.kernel.clock import Clock

log = logging.getLogger(__name__)

BYTES_MIN: Final = 32
OTHERS_MAY_NOT: Final = 0o037
"""Bits of a file mode that make a secret unsafe: the group may read it at most, others nothing."""

REREAD_EVERY: Final = timedelta(minutes=15)
REREAD_JITTER: Final = 0.2
"""Files are read again after 15 min, give or take a fifth, so that processes do not do it all at once."""

LOOKED_AT_EVERY: Final = timedelta(seconds=10)
"""How often a secret that somebody else reads again is looked at; that costs nothing."""

KEPT_WITHOUT_SOURCE: Final = timedelta(hours=24)
"""How long the last value is used when its file cannot be read any more."""

MASK: Final = "***"
_KEK: Final = re.compile(r"kek_\d{4}_\d{2}")
_DISTINCT_BYTES_MIN: Final = 8


class SecretKind(StrEnum):
    """What a secret is for; each purpose has its own."""

    SESSION = "session"
    CODE_PEPPER = "code_pepper"
    IDENTIFIER = "identifier"
    KEY_ENCRYPTION = "key_encryption"
    SEAL = "seal"
    REFRESH = "refresh"

    @property
    def setting(self) -> str:
        """The environment variable that holds it; with `_FILE` appended, the one that names its file."""
        return f"NERAVA_SECRETS__{self.name}"


class SecretMissing(NeravaError):
    """What was asked for needs a secret that this installation does not have."""

    code = "secret-missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This is switched off: a secret is missing"
    outcome = "not_executed"


class SecretUnusable(NeravaError):
    """A secret is there but cannot be used: unreadable, malformed, too weak, or open to others."""

    code = "secret-unusable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This is switched off: a secret cannot be used"
    outcome = "not_executed"


class Secret:
    """Bytes that are shown, compared, copied and stored by nobody; only `reveal` hands them out.

    Attributes:
        id: Names the secret without telling anything about it: `kek_2026_01`, or 8 hex digits that
            depend on the value. Stored beside what was made with it.
    """

    __slots__ = ("_value", "id")

    def __init__(self, value: bytes, name: str | None = None) -> None:
        self._value = value
        self.id = name or hmac.new(value, b"nerava secret id", hashlib.sha256).hexdigest()[:8]

    def reveal(self) -> bytes:
        """Return the bytes, for the one call that needs them."""
        return self._value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> NoReturn:
        message = "a secret is not compared; use hmac.compare_digest on what it made"
        raise TypeError(message)

    __hash__ = None  # type: ignore[assignment]  # what cannot be compared cannot be looked up

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "a secret is not copied and not stored"
        raise TypeError(message)


class Reread(Protocol):
    """A secret that somebody else reads again; it fails when it has been lost for too long."""

    def reveal(self) -> str:
        """Return its text as it is now."""
        ...


Kept = str | Path | Reread
"""A secret as text, the file that it is in, or who knows it."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """A secret that must not be used: its setting and what is wrong, without its value."""

    setting: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    values: tuple[Secret, ...]
    read_at: datetime
    due_at: datetime


class Secrets:
    """The secrets of this process, by kind. Safe to share between threads.

    A value is base64 text of at least 32 bytes. Several, separated by commas or white space, are
    versions: the first one is used for what is new, all of them are accepted. Versions of the
    key-encryption key are 32 bytes long and have names: `kek_2026_02:BASE64`.

    Files are read again every 15 minutes. One that has become unreadable is reported in the log and
    its last value used for 24 hours more.
    """

    def __init__(
        self, given: Mapping[SecretKind, Kept], clock: Clock, *, made_in: Path | None = None
    ) -> None:
        """Take note of where the secrets are; nothing is read yet.

        Args:
            given: The value as text, the file it is in, or who reads it again.
            clock: Says when files are due to be read again.
            made_in: The folder in which a secret that was not given is made once, as a file of mode
                0600. None, as production demands: it is missing then.
        """
        self._given = dict(given)
        self._clock = clock
        self._made_in = made_in
        self._lock = threading.Lock()
        self._loaded: dict[SecretKind, _Loaded] = {}

    def get(self, kind: SecretKind) -> Secret:
        """Return the secret that is used for what is new.

        Raises:
            SecretMissing: It was not given, and is not made in this profile (503).
            SecretUnusable: It cannot be read, is malformed or is open to others (503).
        """
        return self.accepted(kind)[0]

    def accepted(self, kind: SecretKind) -> tuple[Secret, ...]:
        """Return every version that is accepted, the one in use first.

        Raises:
            SecretMissing: There is none (503).
            SecretUnusable: One cannot be used (503).
        """
        now = self._clock.now()
        with self._lock:
            known = self._loaded.get(kind)
            if known is not None and now < known.due_at:
                return known.values
            try:
                values = self._read(kind, now)
            except (SecretMissing, SecretUnusable) as error:
                if known is None or known.read_at + KEPT_WITHOUT_SOURCE <= now:
                    raise
                log.warning("secret_refresh_failed: %s", error.detail)
                self._loaded[kind] = _Loaded(known.values, known.read_at, _due(now))
                return known.values
            for value in values:
                REDACTOR.learn(value.reveal())
            due_at = (
                _due(now) if isinstance(self._given.get(kind), str | Path | None) else now + LOOKED_AT_EVERY
            )
            self._loaded[kind] = _Loaded(values, now, due_at)
            return values

    def weaknesses(self) -> list[Weakness]:
        """Return everything that is wrong with the secrets of this installation; nothing, normally.

        A weak secret is missing, unusable, nearly one byte repeated, or the same as another one.
        """
        found: list[Weakness] = []
        seen: dict[bytes, SecretKind] = {}
        for kind in SecretKind:
            try:
                values = self.accepted(kind)
            except (SecretMissing, SecretUnusable) as error:
                found.append(Weakness(kind.setting, error.detail.removeprefix(f"{kind.setting}: ")))
                continue
            for value in values:
                if len(set(value.reveal())) < _DISTINCT_BYTES_MIN:
                    found.append(Weakness(kind.setting, "repeats a few bytes; use 32 random ones"))
                digest = hashlib.sha256(value.reveal()).digest()
                if seen.setdefault(digest, kind) is not kind:
                    found.append(Weakness(kind.setting, f"is the same as {seen[digest].setting}"))
        return found

    def _read(self, kind: SecretKind, now: datetime) -> tuple[Secret, ...]:
        source = self._given.get(kind)
        if source is None and self._made_in is not None:
            source = _made(self._made_in, kind, now)
        match source:
            case None:
                message = f"{kind.setting}: must be set, here or in a file named by {kind.setting}_FILE"
                raise SecretMissing(message)
            case Path():
                return _parse(kind, _file_text(kind, source))
            case str():
                return _parse(kind, source)
            case _:
                return _parse(kind, source.reveal())


def _due(now: datetime) -> datetime:
    return now + REREAD_EVERY * random.uniform(1 - REREAD_JITTER, 1 + REREAD_JITTER)  # noqa: S311 - spreads load


def secret_in_file(file: str | Path) -> str:
    """Return what is in a file, which nobody but its owner and group may read.

    Raises:
        SecretUnusable: It cannot be read, or is open to others (503).
    """
    try:
        with Path(file).open(encoding="ascii") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            text = opened.read()
    except (OSError, UnicodeDecodeError):
        message = "cannot be read"
        raise SecretUnusable(message) from None
    if mode & OTHERS_MAY_NOT:
        message = f"has mode {mode:04o}; make it 0600"
        raise SecretUnusable(message)
    return text


def _file_text(kind: SecretKind, file: Path) -> str:
    try:
        return secret_in_file(file)
    except SecretUnusable as error:
        message = f"{kind.setting}_FILE: {error.detail}"
        raise SecretUnusable(message) from None


def _parse(kind: SecretKind, text: str) -> tuple[Secret, ...]:
    values = tuple(_version(kind, one) for one in re.split(r"[,\s]+", text.strip()) if one)
    if not values:
        message = f"{kind.setting}: is empty"
        raise SecretUnusable(message)
    if len({value.id for value in values}) < len(values):
        message = f"{kind.setting}: names the same version twice"
        raise SecretUnusable(message)
    return values


def _version(kind: SecretKind, text: str) -> Secret:
    name, colon, encoded = text.rpartition(":")
    try:
        padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
        value = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        # Without a cause: its text could hold a part of the value.
        message = f"{kind.setting}: is not base64 text"
        raise SecretUnusable(message) from None
    if len(value) < BYTES_MIN:
        message = f"{kind.setting}: is shorter than {BYTES_MIN} bytes"
        raise SecretUnusable(message)
    if kind is not SecretKind.KEY_ENCRYPTION:
        if colon:
            message = f"{kind.setting}: is not base64 text"
            raise SecretUnusable(message)
        return Secret(value)
    if _KEK.fullmatch(name) is None or len(value) != BYTES_MIN:
        message = f"{kind.setting}: is not kek_yyyy_nn: and {BYTES_MIN} bytes"
        raise SecretUnusable(message)
    return Secret(value, name)


def _made(folder: Path, kind: SecretKind, now: datetime) -> Path:
    """Return the file of this kind, made by whichever process comes first."""
    file = folder / f"secret-{kind.value.replace('_', '-')}"
    if file.exists():
        return file
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    encoded = base64.b64encode(csprng.token_bytes(BYTES_MIN)).decode()
    text = f"kek_{now.year:04d}_01:{encoded}" if kind is SecretKind.KEY_ENCRYPTION else encoded
    draft = folder / f".{file.name}.{csprng.token_hex(8)}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(text + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        # A link appears whole or not at all, and fails where another process was faster.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file
