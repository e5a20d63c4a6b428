"""Twilio over real HTTP: what was sent, what was not, and what is told of it later."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import httpx2
import pytest
from twilio.request_validator import RequestValidator

from nerava.identity.message_store import MessageKind
from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.inbound.intake import Intake
from nerava.inbound.work import EventWork
from nerava.integrations.twilio.events import TwilioEvents, message_handlers, signature
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.simulators.faults import Kind
from tests.identity.desk import open_desk
from tests.integrations.messages.conftest import ANN, CALLBACK, CLOCK, Outbox, Post, message

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def test_a_message_is_accepted_under_a_name_and_shown_on_the_phone(post: Post) -> None:
    outcome = post.sms.bring(message(text="Your code is <123456>."))
    [sent] = post.simulators.twilio.messages()
    assert outcome == Ok(sent["sid"])
    assert (sent["to"], sent["status"]) == (ANN, "queued")
    page = httpx2.get(post.simulators.url_of("twilio-api") + "/inbox", params={"to": ANN}).text
    assert "Your code is &lt;123456&gt;." in page


def test_a_number_that_is_none_or_has_said_stop_is_refused_for_good(post: Post) -> None:
    assert post.sms.bring(message("12345")) == Refused("unreachable", "21211")
    post.simulators.twilio.stop(ANN)
    assert post.sms.bring(message()) == Refused("unsubscribed", "21610")
    assert post.simulators.twilio.messages() == []


@pytest.mark.trap("V3")
def test_of_all_that_is_busy_only_what_was_never_processed_is_sent_again(post: Post) -> None:
    post.simulators.faults.add(Kind.STATUS, status=429, code="20429")
    assert isinstance(post.sms.bring(message()), RetryLater)
    post.simulators.faults.heal()
    post.simulators.faults.add(Kind.STATUS, status=429, code="60203")
    assert post.sms.bring(message()) == Refused("60203", "60203")
    assert len(post.simulators.requests("twilio-api")) == 2


@pytest.mark.trap("V4")
def test_what_may_have_arrived_is_not_sent_a_second_time(post: Post) -> None:
    post.simulators.faults.add(Kind.ANSWER_LOST)
    assert isinstance(post.sms.bring(message()), Unknown)
    assert len(post.simulators.twilio.messages()) == 1
    post.simulators.faults.heal()
    post.simulators.faults.add(Kind.STATUS, status=500)
    assert isinstance(post.sms.bring(message()), Unknown)
    post.simulators.faults.heal()
    post.simulators.faults.add(Kind.STATUS, status=401)
    assert isinstance(post.sms.bring(message()), Misconfigured)


@ON_SQLITE
@pytest.mark.trap("V4")
def test_the_outbox_gives_up_an_sms_that_may_have_arrived(outbox: Outbox) -> None:
    outbox.post.simulators.faults.add(Kind.ANSWER_LOST)
    outbox.write(ANN)
    outbox.deliver()
    CLOCK.move_to(CLOCK.now() + timedelta(minutes=1))
    outbox.deliver()
    [(state, attempts, trouble, _)] = outbox.rows()
    assert (state, attempts) == ("failed", 1)
    assert trouble
    assert len(outbox.post.simulators.twilio.messages()) == 1


@pytest.mark.trap("V5")
def test_what_is_told_before_our_own_commit_waits_for_it(outbox: Outbox) -> None:
    [handler] = message_handlers(outbox.database).values()
    outbox.write(ANN, MessageKind.NOTICE)
    early = ProviderEvent("twilio", "", "SM1:delivered", "message.delivered", "SM1", 0, {})
    assert handler(early, CLOCK.now()) is Handled.LATER
    outbox.post.simulators.twilio.cut_off(ANN)
    outbox.deliver()
    outbox.post.advance(seconds=1)
    outbox.post.advance(seconds=2)
    receiver = TwilioEvents([outbox.post.simulators.twilio.token], CALLBACK)
    intake = Intake(outbox.database, outbox.vault, {"twilio": receiver})
    for sending in reversed(outbox.post.simulators.webhooks.take()):
        assert intake.take("twilio", sending.headers, sending.body, CLOCK.now())
    work = EventWork(outbox.database, outbox.vault, {"twilio": message_handlers(outbox.database)})
    work.run(CLOCK.now())
    assert outbox.rows() == [("sent", 1, None, "undelivered")]
    # The number is unknown, so notices end here, and a code has one more try.
    outbox.write(ANN, MessageKind.NOTICE)
    outbox.write(ANN)
    outbox.deliver()
    outbox.write(ANN)
    outbox.deliver()
    assert [row[:3] for row in outbox.rows()[1:]] == [
        ("failed", 1, "suppressed"),
        ("sent", 1, None),
        ("failed", 1, "suppressed"),
    ]


@pytest.mark.trap("V6")
def test_signatures_are_those_of_the_providers_own_library() -> None:
    token, url = "12345", "https://nerava.example:443/webhooks/twilio?a=1"
    form = [
        ("To", "+1"),
        ("MessageSid", "SM1"),
        ("Tag", "b"),
        ("Tag", "a"),
        ("Tag", "b"),
        ("MessageStatus", "sent"),
    ]
    body = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in form).encode()
    assert parse_qsl(body.decode()) == form
    repeated = {name: [value for other, value in form if other == name] for name, _ in form}

    class Multi(dict[str, list[str]]):
        """A form as frameworks have it."""

        def getlist(self, name: str) -> list[str]:
            return self[name]

    right = RequestValidator(token).compute_signature(url, Multi(repeated))
    assert signature(token.encode(), url, form).decode() == right
    without = url.replace(":443", "")
    for told in (url, without):
        for registered in (url, without):
            given = {"x-twilio-signature": signature(token.encode(), told, form).decode()}
            event = TwilioEvents(["old", token], registered).read(given, body, CLOCK.now())
            assert (event.kind, event.object_id) == ("message.sent", "SM1")
    given = {"x-twilio-signature": right}
    with pytest.raises(SignatureRefused):
        TwilioEvents([token], url).read(given, body + b"&x=1", CLOCK.now())
    with pytest.raises(SignatureRefused):
        TwilioEvents([token], url).read({}, body, CLOCK.now())
    bare = signature(token.encode(), url, [("a", "1")]).decode()
    with pytest.raises(EventUnreadable):
        TwilioEvents([token], url).read({"x-twilio-signature": bare}, b"a=1", CLOCK.now())


def test_the_simulator_signs_as_the_providers_own_library_checks(post: Post) -> None:
    post.sms.bring(message())
    post.advance(seconds=1)
    [sending] = post.simulators.webhooks.take()
    validator = RequestValidator(post.simulators.twilio.token)
    form = dict(parse_qsl(sending.body.decode(), keep_blank_values=True))
    assert validator.validate(CALLBACK, form, sending.headers["x-twilio-signature"])


@ON_SQLITE
@pytest.mark.trap("V7")
def test_starts_to_one_prefix_are_stopped_before_anybody_is_called(outbox: Outbox, tmp_path: Path) -> None:
    with open_desk(outbox.database, tmp_path / "desk") as desk:
        for number in range(60):
            desk.ask(f"+1202555{number:04}", number)
        while desk.deliver():
            pass
        assert 0 < len(desk.pigeon.brought) <= 20
