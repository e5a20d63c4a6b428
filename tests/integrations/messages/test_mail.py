"""Mail by SMTP and by SES: later, never, and perhaps."""

from __future__ import annotations

from datetime import timedelta

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sqlalchemy import select
from sqlalchemy.orm import Session

from nerava.identity import suppression_store
from nerava.identity.message_store import MessageJob, MessageKind
from nerava.integrations.mail import ses
from nerava.integrations.mail.ses import SesAccess
from nerava.integrations.mail.smtp import SmtpAccess, SmtpMail
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.simulators.faults import Kind
from tests.integrations.messages.conftest import CLOCK, MAIL, SENDER, Outbox, Post, message

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def test_a_mail_arrives_with_its_own_id_by_either_way(post: Post) -> None:
    sent = message(MAIL, "Hello Änn.")
    assert post.smtp.bring(sent) == Ok(f"<{sent.id}@nerava.example>")
    accepted = post.ses.bring(sent)
    by_smtp, by_ses = post.simulators.mail.mails()
    assert accepted == Ok(by_ses["id"])
    assert by_smtp["text"].strip() == by_ses["text"] == "Hello Änn."
    assert {one["subject"] for one in (by_smtp, by_ses)} == {"Your Nerava sign-in"}
    assert {one["to"] for one in (by_smtp, by_ses)} == {MAIL}


@pytest.mark.trap("E1")
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("451 greylisted", RetryLater("smtp-451")),
        ("452 full", RetryLater("smtp-452")),
        ("550 no such user", Refused("unreachable", "smtp-550")),
        ("554 no", Refused("smtp-554")),
        ("DATA 452 full", RetryLater("smtp-452")),
        ("DATA 554 spam", Refused("smtp-554")),
    ],
)
def test_four_hundred_means_later_and_five_hundred_never(post: Post, reply: str, outcome: object) -> None:
    post.simulators.mail.refuse(MAIL, reply)
    assert post.smtp.bring(message(MAIL)) == outcome


def test_a_server_that_is_away_was_never_asked(post: Post) -> None:
    away = SmtpMail(SmtpAccess("127.0.0.1", 1, SENDER, uses_tls=False))
    assert isinstance(away.bring(message(MAIL)), RetryLater)
    insecure = SmtpMail(SmtpAccess("127.0.0.1", post.smtp_port, SENDER))
    assert isinstance(insecure.bring(message(MAIL)), Misconfigured)
    assert post.simulators.mail.mails() == []


@pytest.mark.trap("E2")
@ON_SQLITE
def test_a_code_that_may_have_arrived_is_sent_once_more_and_a_notice_at_least_once(outbox: Outbox) -> None:
    outbox.post.simulators.mail.refuse(MAIL, "DATA lost")
    assert isinstance(outbox.post.smtp.bring(message(MAIL)), Unknown)
    outbox.write(MAIL)
    for _ in range(4):
        outbox.deliver()
        CLOCK.move_to(CLOCK.now() + timedelta(seconds=40))
    assert outbox.rows()[0][:2] == ("failed", 2)
    outbox.write(MAIL, MessageKind.NOTICE)
    outbox.deliver()
    outbox.post.simulators.mail.refuse(MAIL, "")
    CLOCK.move_to(CLOCK.now() + timedelta(seconds=40))
    outbox.deliver()
    assert outbox.rows()[1][:2] == ("sent", 2)


@pytest.mark.trap("E3")
@pytest.mark.trap("E4")
def test_accepted_is_not_delivered_and_bounced_stays_bounced(outbox: Outbox) -> None:
    outbox.write(MAIL, MessageKind.NOTICE)
    outbox.deliver()
    assert outbox.rows() == [("sent", 1, None, None)]
    [name] = outbox.database.read(_names)

    def told(receipt: str, reason: str | None = None) -> bool:
        return outbox.database.run(
            lambda session: suppression_store.hear(session, name, receipt, CLOCK.now(), suppresses=reason)
        )

    assert [told("delivered"), told("bounced", "unreachable"), told("delivered"), told("bounced")] == [
        True
    ] * 4
    assert outbox.rows() == [("sent", 1, None, "bounced")]
    outbox.write(MAIL, MessageKind.NOTICE)
    outbox.deliver()
    assert outbox.rows()[1] == ("failed", 1, "suppressed", None)


@ON_SQLITE
def test_a_mailbox_that_is_none_gets_nothing_more(outbox: Outbox) -> None:
    outbox.post.simulators.mail.refuse(MAIL, "550 no such user")
    outbox.write(MAIL, MessageKind.NOTICE)
    outbox.deliver()
    outbox.write(MAIL, MessageKind.NOTICE)
    outbox.deliver()
    assert [row[2] for row in outbox.rows()] == ["unreachable", "suppressed"]


@pytest.mark.trap("E7")
def test_an_address_with_a_line_break_writes_no_header(post: Post) -> None:
    evil = message("ann@example.org\r\nBcc: everybody@example.org")
    assert post.smtp.bring(evil) == post.ses.bring(evil) == Refused("header-refused")
    assert post.simulators.mail.mails() == []


def test_ses_says_later_never_and_that_a_person_must_look(post: Post) -> None:
    words = {
        "TooManyRequestsException": RetryLater,
        "MessageRejected": Refused,
        "AccountSuspendedException": Misconfigured,
        "SendingPausedException": Misconfigured,
    }
    for word, kind in words.items():
        post.simulators.mail.refuse(MAIL, word)
        assert isinstance(post.ses.bring(message(MAIL)), kind), word
    post.simulators.mail.refuse(MAIL, "")
    post.simulators.faults.add(Kind.ANSWER_LOST)
    assert isinstance(post.ses.bring(message(MAIL)), Unknown)
    assert len(post.simulators.mail.mails()) == 1


def test_a_call_is_signed_as_the_providers_own_library_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    access = SesAccess("eu-west-1", "AKIAEXAMPLE", "secret", sender=SENDER)
    url, body = "https://email.eu-west-1.amazonaws.com", b'{"a":"b"}'
    ours = ses.signed_headers(access, url, body, CLOCK.now())
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *_, **__: CLOCK.now().replace(tzinfo=None)
    )
    request = AWSRequest("POST", url + ses.PATH, data=body, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(access.key, access.secret), "ses", access.region).add_auth(request)
    assert request.headers["Authorization"] == ours["authorization"]


def _names(session: Session) -> list[str]:
    return [str(one) for one in session.scalars(select(MessageJob.provider_id))]
