"""Simulated providers of messages, and our adapters of them, over real HTTP and SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from nerava.identity.contacts import Channel, Contact, ContactKind
from nerava.identity.message_store import MessageJob, MessageKind
from nerava.identity.messages import Messages, Messenger, Outgoing
from nerava.integrations.mail.sendgrid import SendGridAccess, SendGridMail
from nerava.integrations.mail.ses import SesAccess, SesMail
from nerava.integrations.mail.smtp import SmtpAccess, SmtpMail
from nerava.integrations.mail.sns import SnsEvents
from nerava.integrations.twilio.messaging import TwilioAccess, TwilioMessages
from nerava.kernel.clock import FixedClock, SystemClock
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.outbound import Surroundings
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)
CALLBACK = "https://nerava.example/webhooks/twilio"
SENDER = "Nerava <hello@nerava.example>"
ANN = "+12025550123"
MAIL = "ann@example.org"


@dataclass
class Post:
    """Everybody who brings messages."""

    simulators: Simulators
    smtp_port: int
    sms: TwilioMessages
    ses: SesMail
    sendgrid: SendGridMail
    sns: SnsEvents

    @property
    def smtp(self) -> SmtpMail:
        """Mail by SMTP."""
        return SmtpMail(SmtpAccess("127.0.0.1", self.smtp_port, SENDER, uses_tls=False))

    def advance(self, **by: float) -> None:
        """Let time go by, for both sides."""
        self.simulators.advance(timedelta(**by))


def message(
    to: str = ANN, text: str = "Your code is 123456.", kind: MessageKind = MessageKind.CODE
) -> Outgoing:
    """Return a message to somebody."""
    channel = Channel.EMAIL if "@" in to else Channel.SMS
    return Outgoing(new_id(), channel, kind, to, text)


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[Simulators, int]]:
    """The simulators, and a server for SMTP."""
    with running_simulators(seed=7, clock=CLOCK, by_hand=True) as simulators, simulators.mail.smtp() as port:
        yield simulators, port


@pytest.fixture
def post(running: tuple[Simulators, int]) -> Iterator[Post]:
    """Everybody who brings messages, with nothing sent yet."""
    simulators, port = running
    simulators.reset(7)
    CLOCK.move_to(NOON)
    twilio, (key, secret) = simulators.twilio, simulators.twilio.login
    sms = TwilioMessages(
        TwilioAccess(
            account=twilio.account,
            key=key,
            secret=secret,
            sender="+12025550100",
            callback_url=CALLBACK,
            base_url=simulators.url_of("twilio-api"),
        ),
        now=CLOCK.now,
        surroundings=Surroundings(),
    )
    key, secret = simulators.mail.login
    ses = SesMail(
        SesAccess("us-east-1", key, secret, sender=SENDER, base_url=simulators.url_of("ses")), now=CLOCK.now
    )
    mail = simulators.mail
    sendgrid = SendGridMail(
        SendGridAccess(mail.sendgrid_key, SENDER, simulators.url_of("sendgrid")), now=CLOCK.now
    )
    sns = SnsEvents(mail.topic, now=CLOCK.now, base_url=simulators.url_of("ses") + "/sns")
    yield Post(simulators, port, sms, ses, sendgrid, sns)
    for one in (sms, ses, sendgrid, sns):
        one.close()


@dataclass
class Outbox:
    """The outbox of messages over a database, with messengers that exist."""

    database: Database
    vault: Vault
    messages: Messages
    post: Post
    messengers: dict[Channel, Messenger] = field(default_factory=dict)

    def write(self, to: str, kind: MessageKind = MessageKind.CODE) -> None:
        """Write a message down."""
        contact = Contact(ContactKind.EMAIL if "@" in to else ContactKind.PHONE, to)
        self.database.run(
            lambda session: self.messages.write(
                session,
                contact,
                "Hello.",
                now=CLOCK.now(),
                expires_at=CLOCK.now() + timedelta(days=1),
                kind=kind,
            )
        )

    def deliver(self) -> int:
        """Send what is due."""
        return self.messages.deliver(CLOCK.now())

    def rows(self) -> list[tuple[str, int, str | None, str | None]]:
        """Return state, attempts, trouble and receipt of every message."""
        table = MessageJob.__table__.c
        query = select(table.state, table.attempts, table.trouble, table.receipt).order_by(table.id)
        return self.database.read(
            lambda session: [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]
        )


@pytest.fixture
def outbox(database: Database, post: Post, tmp_path: Path) -> Outbox:
    """The outbox with Twilio and SMTP."""
    vault = Vault(Secrets({}, SystemClock(), made_in=tmp_path))
    messengers: dict[Channel, Messenger] = {Channel.SMS: post.sms, Channel.EMAIL: post.smtp}
    return Outbox(database, vault, Messages(database, vault, messengers), post, messengers)
