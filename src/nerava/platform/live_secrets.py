"""Secrets of settings as they are now: each knows where it came from, and is read there again."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from nerava.kernel.errors import NeravaError
from nerava.platform.redaction import REDACTOR
from nerava.platform.secrets import (
    KEPT_WITHOUT_SOURCE,
    MASK,
    REREAD_EVERY,
    REREAD_JITTER,
    SecretMissing,
    SecretUnusable,
    secret_in_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nerava.kernel.clock import Clock

log = logging.getLogger(__name__)

TRIED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""After a source failed it is asked again so soon; the last value is used meanwhile."""

ASKED_ANEW_AFTER: Final = timedelta(seconds=30)
"""However often the other side refuses a secret, its source is asked no more often than this."""


class SecretSource(Protocol):
    """Where secrets are kept."""

    @property
    def waits(self) -> bool:
        """Whether reading takes another machine, so that nobody who serves a request waits for it."""
        ...

    def read(self, reference: str, not_before: datetime) -> str:
        """Return the secret that a setting refers to, as its source had it at `not_before` or later.

        Raises:
            SecretMissing: There is none (503); the text names neither the secret nor the reference.
            SecretUnusable: The source does not answer, or does not hand it out (503).
        """
        ...


class EnvironmentSource:
    """The environment: a setting is the secret itself."""

    waits: Final = False

    def read(self, reference: str, not_before: datetime) -> str:  # noqa: ARG002 - the port's; an environment does not change
        """Return the setting."""
        return reference


class FileSource:
    """Files of mode 0600 or 0640: a setting that ends in `_FILE` names one."""

    waits: Final = False

    def read(self, reference: str, not_before: datetime) -> str:  # noqa: ARG002 - the port's; it is read every time
        """Return what is in the file, without white space around it."""
        return secret_in_file(reference).strip()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a secret setting came from.

    Attributes:
        setting: Its variable.
        text: What was read at the start.
        read_at: When that was.
    """

    setting: str
    source: SecretSource
    reference: str = field(repr=False)
    text: str = field(repr=False)
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Sourced:
    """Where a secret came from, and the clock that says when it is read there again."""

    origin: Origin
    clock: Clock


class LiveSecret:
    """One secret of the settings. Safe to share between threads.

    Read again every 15 minutes, and when the other side refuses it. A source that fails is told in
    the log; the last value is used for 24 hours more, and then what needs it is switched off. A
    new value that cannot be one (`is_usable`) counts as a failure of the source.
    """

    def __init__(
        self,
        text: str,
        source: Sourced | None = None,
        *,
        is_usable: Callable[[str], bool] = lambda _text: True,
    ) -> None:
        """Take a secret as it is; without a source it was given by hand, and nobody reads it again."""
        self._text = text
        self._source = source
        self._is_usable = is_usable
        self._lock = threading.Lock()
        self._fails = False
        self._read_at = self._anew_at = (
            datetime.min.replace(tzinfo=UTC) if source is None else source.origin.read_at
        )
        self._due_at = self._read_at if source is None else _due(self._read_at)

    def reveal(self) -> str:
        """Return the secret, for the one call that needs it.

        Raises:
            SecretMissing: Its source has failed for 24 hours (503).
        """
        if self._source is None:
            return self._text
        origin, now = self._source.origin, self._source.clock.now()
        with self._lock:
            is_due = now >= self._due_at
            if is_due:
                self._due_at = now + TRIED_AGAIN_AFTER  # Whoever comes meanwhile takes what there is.
        if is_due and origin.source.waits:
            threading.Thread(
                target=self._reread, args=(origin, now), name="read a secret", daemon=True
            ).start()
        elif is_due:
            self._reread(origin, now)
        with self._lock:
            if self._fails and self._read_at + KEPT_WITHOUT_SOURCE <= now:
                message = f"{origin.setting}: its source has failed for a day"
                raise SecretMissing(message)
            return self._text

    def newer_than(self, refused: str) -> str | None:
        """Return another value than the one that was just refused; None while there is no other.

        The source is asked for it, at most every 30 seconds, and the caller waits.
        """
        if self._source is None:
            return None
        origin, now = self._source.origin, self._source.clock.now()
        with self._lock:
            if self._text != refused:
                return self._text
            if now < self._anew_at:
                return None
            self._anew_at = now + ASKED_ANEW_AFTER
        self._reread(origin, now)
        with self._lock:
            return None if self._text == refused else self._text

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def _reread(self, origin: Origin, now: datetime) -> None:
        try:
            text = origin.source.read(origin.reference, now)
            REDACTOR.learn_setting(text)
            if text != self._text and not self._is_usable(text):
                message = "the new value cannot be used"
                raise SecretUnusable(message)
        except NeravaError as error:
            log.warning("secret_refresh_failed: %s: %s", origin.setting, error.detail)
            with self._lock:
                self._fails = True
            return
        with self._lock:
            if text != self._text:
                log.info("%s has a new value", origin.setting)
            self._text, self._read_at, self._due_at, self._fails = text, now, _due(now), False


Given = str | LiveSecret
"""A secret as whoever needs it takes it: by hand, or from the settings."""


def live(given: Given) -> LiveSecret:
    """Return a secret that can be asked for its value now."""
    return LiveSecret(given) if isinstance(given, str) else given


def versions(given: Iterable[str] | LiveSecret | None) -> Callable[[], list[bytes]]:
    """Return what returns the versions that are accepted now; in a setting they stand with commas between."""
    if isinstance(given, LiveSecret):
        return lambda: [part.encode() for one in given.reveal().split(",") if (part := one.strip())]
    fixed = [one.encode() for one in given or ()]
    return lambda: fixed


def _due(now: datetime) -> datetime:
    return now + REREAD_EVERY * random.uniform(1 - REREAD_JITTER, 1 + REREAD_JITTER)  # noqa: S311 - spreads load
