"""What a test holds of the simulated mail, and the server that takes mail by SMTP."""

from __future__ import annotations

import socket
from asyncio import WriteTransport
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Final

from aiosmtpd.controller import Controller

from nerava.simulators.mail.sns import TOPIC
from nerava.simulators.moments import ByHand, lets_happen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from aiosmtpd.smtp import SMTP, Envelope, Session

    from nerava.simulators.mail.engine import MailEngine
    from nerava.simulators.mail.sendgrid import SendGridEngine
    from nerava.simulators.wire import Json


HOST: Final = "127.0.0.1"


class MailByHand(ByHand):
    """The mailboxes, and who refuses mail."""

    def __init__(
        self, mail: MailEngine, sendgrid: SendGridEngine, moment: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(moment)
        self._mail = mail
        self._sendgrid = sendgrid

    @property
    def topic(self) -> str:
        """The topic by which SES tells what became of mails."""
        return TOPIC

    @property
    def sendgrid_key(self) -> str:
        """Our key at SendGrid."""
        return self._sendgrid.state.key

    @property
    def sendgrid_public_key(self) -> str:
        """The key that SendGrid's batches are checked with."""
        return self._sendgrid.public_key

    def confirmed(self) -> list[str]:
        """Return the topics whose subscription was confirmed."""
        with self.moment():
            return list(self._mail.state.confirmed)

    @property
    def login(self) -> tuple[str, str]:
        """Our access key and its secret."""
        return self._mail.state.key, self._mail.state.secret

    def mails(self) -> list[Json]:
        """Return what arrived, the oldest first."""
        with self.moment():
            found: list[Json] = self._mail.believes()["mails"]
        return found

    @lets_happen
    def refuse(self, to: str, word: str) -> Json:
        """Refuse mail to an address: by an exception of SES, or by a reply of SMTP such as `550 no`."""
        self._mail.state.refuses[to] = word
        return {"to": to, "word": word}

    @lets_happen
    def subscribe(self, origin: str, topic: str = TOPIC) -> Json:
        """Let SNS ask whether a topic may be told to us; `origin` is where the simulated SES is reached."""
        self._mail.tell("SubscriptionConfirmation", "You have chosen to subscribe.", origin, topic)
        return {"topic": topic}

    @lets_happen
    def tell_batch(self, events: list[Json]) -> Json:
        """Let SendGrid tell these events in one batch."""
        self._sendgrid.tell(events)
        return {"events": len(events)}

    @contextmanager
    def smtp(self) -> Iterator[int]:
        """Take mail by SMTP on a free port of this machine, and yield the port."""
        with socket.create_server((HOST, 0)) as free:
            port: int = free.getsockname()[1]
        controller = Controller(_Handler(self._mail, self.moment), hostname=HOST, port=port)
        controller.start()
        try:
            yield port
        finally:
            controller.stop()


class _Handler:
    """What is answered to each recipient and each mail."""

    def __init__(self, mail: MailEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        self._mail = mail
        self._moment = moment

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: list[str]
    ) -> str:
        """Take a recipient, or refuse it in the words that somebody chose."""
        word = self._mail.state.refuses.get(to, "")
        if word and not word.startswith("DATA "):
            return word
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take a mail; `DATA lost` takes it and hangs up without a word."""
        mail = message_from_bytes(envelope.original_content or b"", policy=default)
        body = mail.get_body(("plain",))
        text = "" if body is None else body.get_content()
        [to] = envelope.rcpt_tos
        with self._moment():
            self._mail.take(str(mail["From"]), to, str(mail["Subject"]), text)
        word = self._mail.state.refuses.get(to, "")
        if word == "DATA lost" and isinstance(server.transport, WriteTransport):
            server.transport.abort()
        return word.removeprefix("DATA ") or "250 OK"
