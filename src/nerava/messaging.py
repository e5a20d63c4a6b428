"""Who brings messages to people in one installation, and who hears what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.identity.contacts import Channel
from nerava.integrations.mail import sendgrid, sns
from nerava.integrations.mail.sendgrid import SendGridAccess, SendGridEvents, SendGridMail
from nerava.integrations.mail.ses import SesAccess, SesMail
from nerava.integrations.mail.smtp import SmtpAccess, SmtpMail
from nerava.integrations.mail.sns import SnsEvents
from nerava.integrations.twilio import events as twilio
from nerava.integrations.twilio.events import TwilioEvents
from nerava.integrations.twilio.messaging import TwilioAccess, TwilioMessages
from nerava.integrations.twilio.verify import CodesByVerify, TwilioVerify, VerifyAccess
from nerava.settings.groups import names_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.identity.messages import Messenger
    from nerava.identity.outside_codes import CodeKeeper
    from nerava.inbound.events import Handler, Receiver
    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.outbound import Surroundings
    from nerava.settings import Settings


@dataclass(frozen=True, slots=True)
class Messaging:
    """The messengers of the channels there are, and who checks the callbacks of their providers."""

    messengers: Mapping[Channel, Messenger]
    receivers: Mapping[str, Receiver]
    sns: SnsEvents | None = None

    @property
    def keeper(self) -> CodeKeeper | None:
        """Who makes and compares codes for phones; None where we do it."""
        sms = self.messengers.get(Channel.SMS)
        return sms.verify if isinstance(sms, CodesByVerify) else None

    def close(self) -> None:
        """Close the connections."""
        for one in self.messengers.values():
            if isinstance(one, TwilioMessages | SesMail | SendGridMail | CodesByVerify):
                one.close()
        if self.sns is not None:
            self.sns.close()

    def handlers(self, database: Database) -> Mapping[str, Mapping[str, Handler]]:
        """Return who works on what providers tell of messages."""
        found = {
            twilio.PROVIDER: twilio.message_handlers(database),
            sendgrid.PROVIDER: sendgrid.sendgrid_handlers(database),
        }
        return found if self.sns is None else {**found, sns.PROVIDER: sns.ses_handlers(database, self.sns)}


def messaging_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Messaging:
    """Return what the settings name; while developing, a file takes what nobody else would bring."""
    found: dict[Channel, Messenger] = {}
    if not settings.is_strict:
        # Here, so that a process under production rules never loads a simulator.
        from nerava.simulators.inbox import Inbox  # noqa: PLC0415 - as said above

        found = dict.fromkeys(Channel, Inbox(settings.inbox_file, clock))
    sms, mail = _sms_of(settings, clock, surroundings), _mail_of(settings, clock, surroundings)
    if sms is not None:
        found[Channel.SMS] = sms
    if mail is not None:
        found[Channel.EMAIL] = mail
    given = settings.twilio
    listens = given.mode != "off" and given.webhook_url is not None
    tokens = settings.live("twilio.webhook_secrets", clock) or ()
    receivers: dict[str, Receiver] = {}
    if listens:
        receivers[twilio.PROVIDER] = TwilioEvents(tokens, given.webhook_url or "")
    topic = _topic_of(settings, clock, surroundings)
    if topic is not None:
        receivers[sns.PROVIDER] = topic
    if settings.sendgrid.mode != "off" and settings.sendgrid.webhook_keys is not None:
        receivers[sendgrid.PROVIDER] = SendGridEvents(names_in(settings.sendgrid.webhook_keys))
    return Messaging(found, receivers, topic)


def _topic_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> SnsEvents | None:
    given = settings.ses
    if given.mode == "off" or given.topic is None:
        return None
    base_url = f"{given.base_url}/sns" if given.mode == "simulator" else None
    return SnsEvents(given.topic, now=clock.now, base_url=base_url, surroundings=surroundings)


def _sms_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Messenger | None:
    given = settings.twilio
    if given.mode == "off" or given.account is None or given.secret is None:
        return None
    access = TwilioAccess(
        account=given.account,
        key=given.key or given.account,
        secret=settings.live("twilio.secret", clock) or "",
        sender=given.sender or "",
        callback_url=given.webhook_url,
        base_url=given.base_url,
    )
    messages = TwilioMessages(access, now=clock.now, surroundings=surroundings)
    if given.verify_service is None:
        return messages
    verify = VerifyAccess(given.verify_service, access.key, access.secret, given.verify_base_url)
    return CodesByVerify(TwilioVerify(verify, now=clock.now, surroundings=surroundings), messages)


def _mail_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Messenger | None:
    ses, smtp = settings.ses, settings.smtp
    if ses.mode != "off" and ses.key is not None and ses.secret is not None:
        secret = settings.live("ses.secret", clock) or ""
        access = SesAccess(ses.region, ses.key, secret, sender=ses.sender or "", base_url=ses.base_url)
        return SesMail(access, now=clock.now, surroundings=surroundings)
    key = settings.live("sendgrid.key", clock)
    if settings.sendgrid.mode != "off" and key is not None:
        by_sendgrid = SendGridAccess(key, settings.sendgrid.sender or "", settings.sendgrid.base_url)
        return SendGridMail(by_sendgrid, now=clock.now, surroundings=surroundings)
    if smtp.host is None:
        return None
    password = settings.live("smtp.password", clock)
    return SmtpMail(
        SmtpAccess(smtp.host, smtp.port, smtp.sender, smtp.user, password, uses_tls=not smtp.is_local)
    )
