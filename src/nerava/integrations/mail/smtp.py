"""`Messenger` over SMTP: 4xx means later and 5xx means never, the reverse of HTTP."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nerava.integrations.mail.letter import From, HeaderRefused, mail_of
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.provider_calls import SMTP_SEND

if TYPE_CHECKING:
    from nerava.identity.messages import Outgoing
    from nerava.platform.live_secrets import Given

LATER: Final = 400
NEVER: Final = 500
NO_MAILBOX: Final = frozenset({550, 551, 553})
"""Refusals of a recipient: there is no such mailbox, or it is not theirs to take."""


@dataclass(frozen=True, slots=True)
class SmtpAccess:
    """A server that takes our mail.

    Attributes:
        user, password: None where the server knows us otherwise.
        uses_tls: STARTTLS before anything else; False on this machine only.
    """

    host: str
    port: int
    sender: str
    user: str | None = None
    password: Given | None = field(default=None, repr=False)
    uses_tls: bool = True


class SmtpMail:
    """Sends mail, one connection each. Safe to share between threads."""

    def __init__(self, access: SmtpAccess) -> None:
        self._access = access
        self._password = None if access.password is None else live(access.password)
        self._from = From(access.sender)

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, and return the mail's own id. A connection that is lost after DATA leaves it unknown."""
        try:
            mail = mail_of(message, self._from)
        except HeaderRefused:
            return Refused("header-refused")
        try:
            with closing(self._known()) as server:
                refused = self._addressed(server, message.to)
                return refused or _data(server, mail.as_bytes(), str(mail["Message-ID"]))
        except (OSError, smtplib.SMTPException) as error:
            return _before_data(error)

    def _known(self) -> smtplib.SMTP:
        """Return a server that knows us; one that refuses the password is shown a newer one."""
        if self._password is None:
            return self._connected("")
        text = self._password.reveal()
        try:
            return self._connected(text)
        except smtplib.SMTPAuthenticationError:
            newer = self._password.newer_than(text)
            if newer is None:
                raise
        return self._connected(newer)

    def _connected(self, password: str) -> smtplib.SMTP:
        server = smtplib.SMTP(self._access.host, self._access.port, timeout=SMTP_SEND.call.connect_s)
        try:
            if server.sock is not None:
                server.sock.settimeout(SMTP_SEND.call.read_s)
            if self._access.uses_tls:
                server.starttls(context=ssl.create_default_context())
            if self._access.user is not None:
                server.login(self._access.user, password)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _addressed(self, server: smtplib.SMTP, to: str) -> Outcome[str] | None:
        """Say who it is from and for; return why the server wants it not, None if it does."""
        code, _ = server.mail(self._from.address.rpartition("<")[2].rstrip(">"))
        if code >= LATER:
            return _of(code)
        code, _ = server.rcpt(to)
        if code in NO_MAILBOX:
            return Refused("unreachable", f"smtp-{code}")
        return _of(code) if code >= LATER else None


def _before_data(error: OSError | smtplib.SMTPException) -> Outcome[str]:
    """Return what an error before DATA means: nothing was sent."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Misconfigured(f"smtp-{error.smtp_code}")
    if isinstance(error, smtplib.SMTPResponseException):
        return _of(error.smtp_code)
    if isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLError):
        return Misconfigured(type(error).__name__)
    return RetryLater(type(error).__name__)


def _data(server: smtplib.SMTP, mail: bytes, name: str) -> Outcome[str]:
    """Send the mail itself: from here on it may have arrived although nobody says so."""
    try:
        code, _ = server.data(mail)
    except smtplib.SMTPDataError as error:
        return _of(error.smtp_code)
    except (OSError, smtplib.SMTPException) as error:
        return Unknown(type(error).__name__)
    return Ok(name) if code < LATER else _of(code)


def _of(code: int) -> Outcome[str]:
    return Refused(f"smtp-{code}") if code >= NEVER else RetryLater(f"smtp-{code}")
