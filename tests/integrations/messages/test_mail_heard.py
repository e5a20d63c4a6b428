"""What SES and SendGrid tell of mails: believed when it is signed, for our own topic, and not old."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nerava.identity.contacts import Channel
from nerava.identity.message_store import MessageKind
from nerava.identity.messages import Messages
from nerava.inbound.events import EventUnreadable, Receiver, SignatureRefused
from nerava.inbound.intake import Intake
from nerava.inbound.work import EventWork
from nerava.integrations.mail.sendgrid import SendGridEvents, sendgrid_handlers
from nerava.integrations.mail.sns import CertificateMissing, SnsEvents, ses_handlers
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.simulators.faults import Kind
from tests.integrations.messages.conftest import CLOCK, MAIL, Outbox, Post, message

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
BOUNCING = "bounce+ann@example.org"
COMPLAINING = "complaint+ann@example.org"
NOTICE = MessageKind.NOTICE


def by(outbox: Outbox, messenger: Any) -> Outbox:
    """Return the outbox with another messenger for mail."""
    messengers = {**outbox.messengers, Channel.EMAIL: messenger}
    return replace(outbox, messages=Messages(outbox.database, outbox.vault, messengers))


def hear(
    outbox: Outbox, provider: str, receiver: Receiver, handlers: Mapping[str, Any], *, twice: bool = False
) -> int:
    """Take what the provider tells and work on it; return how many were new."""
    intake = Intake(outbox.database, outbox.vault, {provider: receiver})
    taken = [
        intake.take(provider, one.headers, one.body, CLOCK.now())
        for one in outbox.post.simulators.webhooks.take()
        for _ in range(1 + twice)
    ]
    EventWork(outbox.database, outbox.vault, {provider: handlers}).run(CLOCK.now())
    return sum(taken)


def receipts(outbox: Outbox) -> list[str | None]:
    return [row[3] for row in outbox.rows()]


@pytest.mark.trap("E8")
@ON_SQLITE
def test_a_subscription_is_confirmed_for_our_own_topic_and_where_we_know_sns_to_be(outbox: Outbox) -> None:
    post, mail = outbox.post, outbox.post.simulators.mail
    mail.subscribe(post.simulators.url_of("ses"))
    handlers = ses_handlers(outbox.database, post.sns)
    assert hear(outbox, "ses", post.sns, handlers) == 1
    assert mail.confirmed() == [mail.topic]

    mail.subscribe(post.simulators.url_of("ses"), "arn:aws:sns:us-east-1:123456789012:of-somebody-else")
    [foreign] = post.simulators.webhooks.take()
    with pytest.raises(SignatureRefused):
        post.sns.read(foreign.headers, foreign.body, CLOCK.now())

    # Signed with another machine's certificate, even if everything else is as it should be.
    mail.subscribe("http://127.0.0.1:9/ses")
    [elsewhere] = post.simulators.webhooks.take()
    with pytest.raises(SignatureRefused):
        post.sns.read(elsewhere.headers, elsewhere.body, CLOCK.now())
    assert mail.confirmed() == [mail.topic]


def test_a_mailbox_that_bounces_by_ses_gets_no_notices_any_more(outbox: Outbox) -> None:
    post = outbox.post
    mails = by(outbox, post.ses)
    for to in (MAIL, BOUNCING, "deferral+ann@example.org", COMPLAINING):
        mails.write(to, NOTICE)
    mails.deliver()
    post.advance(seconds=5)
    handlers = ses_handlers(outbox.database, post.sns)
    assert hear(outbox, "ses", post.sns, handlers, twice=True) == 5
    assert receipts(outbox) == ["delivered", "bounced", None, "complained"]
    for to in (BOUNCING, "deferral+ann@example.org", COMPLAINING):
        mails.write(to, NOTICE)
    mails.deliver()
    assert [row[2] for row in mails.rows()[4:]] == ["suppressed", None, "suppressed"]
    certificates = [one for one in post.simulators.requests("ses") if one.path.endswith(".pem")]
    assert len(certificates) == 1


def test_a_message_of_sns_that_was_touched_or_cannot_be_checked_is_not_believed(post: Post) -> None:
    post.ses.bring(message(MAIL))
    post.advance(seconds=2)
    [sending] = post.simulators.webhooks.take()
    told = json.loads(sending.body)
    host = post.simulators.url_of("ses")
    wrong = (
        {"Message": told["Message"].replace("Delivery", "Bounce")},
        {"SignatureVersion": "3"},
        {"Signature": "%%%"},
        {"Type": "Other"},
        {"SigningCertURL": told["SigningCertURL"].replace("/sns/", "/")},
        {"SigningCertURL": f"{host}/sns/../mailbox"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/x.pem"},
    )
    for change in wrong:
        with pytest.raises(SignatureRefused):
            post.sns.read({}, json.dumps({**told, **change}).encode(), CLOCK.now())
    for body in (b"", b"[]", b"{"):
        with pytest.raises(SignatureRefused):
            post.sns.read({}, body, CLOCK.now())
    fresh = SnsEvents(post.simulators.mail.topic, now=CLOCK.now, base_url=f"{host}/sns")
    post.simulators.faults.add(Kind.STATUS, status=503, path="*.pem", times=2)
    with pytest.raises(CertificateMissing):
        fresh.read({}, sending.body, CLOCK.now())
    assert fresh.read({}, sending.body, CLOCK.now()).kind == "mail.delivery"
    fresh.close()


def test_sendgrid_takes_a_mail_and_says_later_never_and_perhaps(post: Post) -> None:
    outcome = post.sendgrid.bring(message(MAIL, "Hello Änn."))
    [sent] = post.simulators.mail.mails()
    assert isinstance(outcome, Ok)
    assert (sent["from"], sent["to"], sent["text"]) == ("hello@nerava.example", MAIL, "Hello Änn.")
    post.simulators.faults.add(Kind.STATUS, status=429, times=1)
    assert post.sendgrid.bring(message(MAIL)) == RetryLater("status-429", CLOCK.now() + timedelta(seconds=30))
    for status, kind in ((400, Refused), (401, Misconfigured), (500, Unknown)):
        post.simulators.faults.heal()
        post.simulators.faults.add(Kind.STATUS, status=status)
        assert isinstance(post.sendgrid.bring(message(MAIL)), kind)
    assert post.sendgrid.bring(message("ann@example.org\r\nBcc: b@example.org")) == Refused("header-refused")
    post.simulators.faults.heal()
    post.simulators.faults.add(Kind.ANSWER_LOST)
    before = len(post.simulators.mail.mails())
    assert isinstance(post.sendgrid.bring(message(MAIL)), Unknown)
    assert len(post.simulators.mail.mails()) == before + 1


@pytest.mark.trap("E4")
def test_one_batch_of_sendgrid_in_any_order_and_twice_ends_as_it_should(outbox: Outbox) -> None:
    post = outbox.post
    mails = by(outbox, post.sendgrid)
    for to in (MAIL, BOUNCING, COMPLAINING):
        mails.write(to, NOTICE)
    mails.deliver()
    post.advance(seconds=5)
    [batch] = post.simulators.webhooks.take()
    events = json.loads(batch.body)
    assert {one["event"] for one in events} == {"processed", "delivered", "bounce", "spamreport"}
    bounced = next(one for one in events if one["event"] == "bounce")
    foreign = {"event": "bounce", "type": "bounce", "email": "x@example.org", "sg_message_id": "foreign.1"}
    post.simulators.mail.tell_batch([*reversed(events), *events, {**bounced, "event": "delivered"}, foreign])
    receiver = SendGridEvents([post.simulators.mail.sendgrid_public_key])
    assert hear(outbox, "sendgrid", receiver, sendgrid_handlers(outbox.database), twice=True) == 1
    assert receipts(outbox) == ["delivered", "bounced", "complained"]
    mails.write(BOUNCING, NOTICE)
    mails.deliver()
    assert mails.rows()[3][2] == "suppressed"


@ON_SQLITE
def test_a_batch_that_is_faster_than_our_commit_waits_for_it(outbox: Outbox) -> None:
    post = outbox.post
    post.simulators.mail.tell_batch([{"event": "bounce", "sg_message_id": "early.1", "nerava": "1"}])
    receiver = SendGridEvents([post.simulators.mail.sendgrid_public_key])
    hear(outbox, "sendgrid", receiver, sendgrid_handlers(outbox.database))
    query = "SELECT state FROM inbound_event"
    assert (
        outbox.database.read(lambda session: session.connection().exec_driver_sql(query).scalar()) == "retry"
    )


@pytest.mark.trap("E5")
def test_a_batch_is_signed_over_its_raw_bytes_by_a_key_without_a_frame(post: Post) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told = base64.b64encode(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    at, body = str(int(CLOCK.now().timestamp())), b'[ {"event":"open"} ]\r\n'

    def headers(signed: bytes) -> dict[str, str]:
        signature = base64.b64encode(key.sign(at.encode() + signed, ec.ECDSA(SHA256()))).decode()
        return {
            "x-twilio-email-event-webhook-signature": signature,
            "x-twilio-email-event-webhook-timestamp": at,
        }

    events = SendGridEvents([post.simulators.mail.sendgrid_public_key, told])
    assert events.read(headers(body), body, CLOCK.now()).kind == "batch"
    for signed, sent in ((body, json.dumps(json.loads(body)).encode()), (body, body + b" "), (b"", body)):
        with pytest.raises(SignatureRefused):
            events.read(headers(signed), sent, CLOCK.now())
    with pytest.raises(EventUnreadable):
        events.read(headers(b"{}"), b"{}", CLOCK.now())
    with pytest.raises(SignatureRefused):
        events.read({}, body, CLOCK.now())


@pytest.mark.trap("E6")
def test_a_batch_that_was_signed_long_ago_is_refused(post: Post) -> None:
    post.simulators.mail.tell_batch([{"event": "open"}])
    events = SendGridEvents([post.simulators.mail.sendgrid_public_key])
    [sending] = post.simulators.webhooks.take()
    assert events.read(sending.headers, sending.body, CLOCK.now()).kind == "batch"
    late = CLOCK.now() + timedelta(minutes=5, seconds=1)
    with pytest.raises(SignatureRefused):
        events.read(sending.headers, sending.body, late)
