"""Partners, merchants and sponsors are told what happens: signed, in order, again if need be (R27)."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.outbox import deliveries, endpoints
from nerava.outbox.endpoints import (
    ENDPOINTS_MAX,
    EndpointDisabled,
    Endpoints,
    Owner,
    TooManyEndpoints,
    Wanted,
)
from nerava.outbox.relay import GAPS, JITTER, LEASE, HttpSender
from nerava.outbox.signing import PREFIX, SECRET_BYTES
from nerava.outbox.webhook_store import EndpointState, OwnerKind
from nerava.platform.outbound.addresses import UrlRefused
from tests.outbox.conftest import Desk
from tests.outbox.post_office import Letter

A = "/a"
ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
HOSTILE = (
    "http://example.org/hook",
    "ftp://example.org/",
    "https://127.0.0.1/",
    "https://localhost:8443/",
    "https://example.org:22/",
    "https://example.org:8443/",
    "https://user@example.org/",
    "https://user:secret@example.org/",
    "https://example.org@127.0.0.1/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.3.4/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://example.org/#fragment",
    "https://exa mple.org/",
    "https://example.org\\@127.0.0.1/",
    "https:///nowhere",
    "//example.org/",
    "example.org",
    "https://example.org/\r\nX-Evil: 1",
    "gopher://127.0.0.1:6379/_PING",
    "file:///etc/passwd",
)


def is_signed(letter: Letter, secret: str) -> bool:
    """Return whether one of the signatures is the one that the reference makes with this secret."""
    at = datetime.fromtimestamp(int(letter.headers["webhook-timestamp"]), UTC)
    right = Webhook(secret).sign(letter.headers["webhook-id"], at, letter.body.decode())
    return right in letter.headers["webhook-signature"].split()


def test_the_reference_verifier_accepts_what_arrives_and_nothing_else(desk: Desk) -> None:
    desk.clock.move_to(SystemClock().now())  # The reference verifier reads the clock itself.
    endpoint_id, secret = desk.endpoint()
    [redemption] = desk.happen()
    assert desk.bring() == 1
    [letter] = desk.office.at(A)

    verifier = Webhook(secret)
    told = verifier.verify(letter.body, dict(letter.headers))
    assert told["type"] == "redemption.captured"
    assert told["data"] == {"state": "captured", "redemption_id": str(redemption), "points": 5}
    assert told["sequence"] == 1
    with pytest.raises(WebhookVerificationError):
        verifier.verify(letter.body + b" ", dict(letter.headers))
    assert secret.startswith(PREFIX)
    assert len(base64.b64decode(secret.removeprefix(PREFIX))) == SECRET_BYTES
    assert secret.encode() not in desk.row(endpoint_id).secret
    assert desk.states(endpoint_id) == [("delivered", 1)]


@ON_SQLITE
def test_while_a_secret_is_replaced_both_sign_for_a_day(desk: Desk) -> None:
    endpoint_id, old = desk.endpoint()
    new = desk.run(lambda s: desk.endpoints.renew_secret(s, desk.owner, endpoint_id, desk.clock.now())).text
    desk.happen()
    desk.bring()
    desk.later(timedelta(hours=24))
    desk.happen()
    desk.bring()
    both, alone = desk.office.at(A)
    assert [is_signed(both, one) for one in (old, new)] == [True, True]
    assert [is_signed(alone, one) for one in (old, new)] == [False, True]


def test_events_arrive_in_order_one_at_a_time_and_only_those_that_are_wanted(desk: Desk) -> None:
    everything, _ = desk.endpoint(A)
    desk.endpoint("/refunds", "redemption.refunded")
    desk.endpoint("/other", owner=Owner(OwnerKind.MERCHANT, new_id()))
    desk.endpoint("/sponsor", owner=Owner(OwnerKind.SPONSOR, desk.owner.id))
    ids = desk.happen(5) + desk.happen(1, state="refunded")
    desk.bring()
    assert [json.loads(one.body)["data"]["redemption_id"] for one in desk.office.at(A)] == [
        str(one) for one in ids
    ]
    assert [json.loads(one.body)["type"] for one in desk.office.at("/refunds")] == ["redemption.refunded"]
    assert desk.office.at("/other") == desk.office.at("/sponsor") == []
    assert desk.office.most_at_once[A] == 1
    assert desk.states(everything) == [("delivered", 1)] * 6


@ON_SQLITE
def test_everything_but_a_two_hundred_is_a_failure(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    for answer in (500, 404, 302, 429):
        desk.office.answers[A] = answer
        desk.happen()
        desk.run(lambda session: endpoints.enable(session, desk.owner, endpoint_id, desk.clock.now()))
        assert desk.bring() == 1
    assert desk.states(endpoint_id) == [("waiting", 1)] * 4
    assert desk.office.at("/elsewhere") == []


def test_what_does_not_arrive_is_tried_for_three_days_and_then_the_endpoint_is_disabled(desk: Desk) -> None:
    desk.office.answers[A] = 500
    endpoint_id, _ = desk.endpoint()
    desk.happen()
    began = desk.clock.now()
    for gap in GAPS[1:]:
        assert desk.bring() == 1
        desk.later(gap * (1 - JITTER) - timedelta(seconds=1))
        assert desk.bring() == 0
        desk.later(gap * 2 * JITTER + timedelta(seconds=2))
    assert timedelta(days=3) < desk.clock.now() - began < timedelta(days=4.2)
    assert desk.row(endpoint_id).state == EndpointState.ENABLED
    assert desk.bring() == 1
    assert desk.states(endpoint_id) == [("failed", len(GAPS))]
    assert desk.notices == [(desk.owner.id, "failing")]
    assert desk.row(endpoint_id).state == EndpointState.DISABLED
    assert {one.headers["webhook-id"] for one in desk.office.letters} == {
        desk.office.letters[0].headers["webhook-id"]
    }
    desk.happen(2)
    assert desk.bring() == 0


def test_an_endpoint_that_is_gone_is_disabled_at_once_and_what_it_missed_can_be_replayed(desk: Desk) -> None:
    desk.office.answers[A] = 410
    endpoint_id, _ = desk.endpoint()
    desk.happen(3)
    assert desk.bring() == 1
    desk.happen(1)
    assert desk.states(endpoint_id) == [("failed", 1), ("stopped", 0), ("stopped", 0), ("stopped", 0)]
    assert desk.notices == [(desk.owner.id, "gone")]
    since = desk.clock.now() - timedelta(hours=1)

    def replay(session: Any) -> int:
        return deliveries.replay_since(session, desk.owner, endpoint_id, since, desk.clock.now())

    with pytest.raises(EndpointDisabled):
        desk.run(replay)
    desk.run(lambda session: endpoints.enable(session, desk.owner, endpoint_id, desk.clock.now()))
    assert desk.bring() == 0
    desk.office.answers[A] = 204
    assert desk.run(replay) == 4
    assert desk.bring() == 4
    assert desk.states(endpoint_id) == [("delivered", 1)] * 4
    first, again = desk.office.at(A)[:2]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body


@ON_SQLITE
def test_a_poisonous_event_holds_no_other_and_disables_nothing(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    [poison, *_] = desk.happen(3)
    desk.office.answers[A] = lambda body: 500 if str(poison).encode() in body else 200
    desk.bring()
    assert desk.states(endpoint_id) == [("waiting", 1), ("delivered", 1), ("delivered", 1)]
    for gap in GAPS[1:]:
        desk.later(gap * (1 + JITTER) + timedelta(seconds=1))
        desk.bring()
    assert desk.states(endpoint_id)[0] == ("failed", len(GAPS))
    desk.happen()
    desk.bring()
    assert desk.states(endpoint_id)[-1] == ("delivered", 1)
    assert desk.row(endpoint_id).state == EndpointState.ENABLED
    assert desk.notices == []


@ON_SQLITE
def test_a_wish_to_wait_is_granted(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    desk.office.answers[A] = (503, "900")
    desk.happen(2)
    assert desk.bring() == 1
    desk.later(timedelta(seconds=890))
    assert desk.bring() == 0
    desk.office.answers[A] = 200
    desk.later(timedelta(seconds=11))
    assert desk.bring() == 2
    assert desk.states(endpoint_id) == [("delivered", 2), ("delivered", 1)]


@ON_SQLITE
def test_an_endpoint_that_takes_its_time_keeps_nobody_waiting(desk: Desk) -> None:
    desk.office.slow["/dead"] = 0.6
    desk.endpoint("/dead")
    desk.endpoint(A)
    desk.happen(3)
    for _ in range(40):
        desk.relay.run(desk.clock.now())
        if len(desk.office.at(A)) == 3:
            break
        time.sleep(0.02)
    assert len(desk.office.at(A)) == 3
    assert len(desk.office.at("/dead")) == 1
    desk.relay.wait(5)


def test_a_killed_relay_loses_nothing_and_one_that_was_overtaken_writes_nothing(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    desk.happen()
    [slept] = desk.relay.claim(desk.clock.now(), 5, 5)
    assert desk.relay.claim(desk.clock.now(), 5, 5) == []
    desk.later(LEASE)
    [took_over] = desk.relay.claim(desk.clock.now(), 5, 5)
    assert (took_over.event_id, took_over.fence) == (slept.event_id, slept.fence + 1)
    desk.office.answers[A] = 500
    desk.relay.deliver(slept)
    assert desk.states(endpoint_id) == [("waiting", 0)]
    desk.office.answers[A] = 200
    desk.relay.deliver(took_over)
    assert desk.states(endpoint_id) == [("delivered", 1)]


@ON_SQLITE
def test_a_test_goes_out_whatever_is_wanted_and_attempts_are_logged_without_bodies(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint(A, "redemption.voided")
    sent = desk.run(lambda s: deliveries.send_test(s, desk.owner, endpoint_id, desk.clock.now()).id)
    desk.office.answers[A] = 500
    desk.bring()
    [log] = desk.run(lambda s: [(r.status, r.trouble) for r in deliveries.attempts_of(s, sent)])
    assert log == (500, None)
    assert json.loads(desk.office.letters[0].body)["type"] == "webhook_endpoint.tested"


def test_what_is_old_is_forgotten_and_what_waits_is_kept(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    desk.happen(2)
    desk.bring(1)
    desk.later(deliveries.KEPT)
    assert desk.run(lambda session: deliveries.forget_old(session, desk.clock.now())) == 1
    assert desk.states(endpoint_id) == [("waiting", 0)]
    desk.run(lambda session: endpoints.remove(session, desk.owner, endpoint_id, desk.clock.now()))
    desk.later(deliveries.KEPT)
    assert desk.run(lambda session: deliveries.forget_old(session, desk.clock.now())) == 1
    assert desk.run(lambda session: endpoints.every(session, desk.owner)) == []


@ON_SQLITE
def test_addresses_of_ours_and_of_nobody_are_refused(desk: Desk) -> None:
    strict = Endpoints(desk.endpoints._vault, allows_local=False)  # noqa: SLF001 - the same vault
    for url in (*HOSTILE, desk.office.url()):
        with pytest.raises(UrlRefused):
            desk.run(lambda s, u=url: strict.make(s, desk.owner, Wanted(u), desk.clock.now()))
    new = desk.run(lambda s: strict.make(s, desk.owner, Wanted("https://exämple.org/x"), desk.clock.now()))
    assert new.endpoint.url == "https://xn--exmple-cua.org/x"


@ON_SQLITE
def test_an_address_that_leads_inside_is_never_connected_to(desk: Desk) -> None:
    sender = HttpSender(lambda _url: False, desk.clock.now)
    for url in (desk.office.url(), "https://localhost/", "https://127.0.0.1/", "https://[::1]/x"):
        assert sender.send(url, {}, b"{}").trouble in {"url-refused", "not-sent:address-refused"}
    assert desk.office.letters == []


@ON_SQLITE
def test_an_owner_has_ten_endpoints_at_most(desk: Desk) -> None:
    for number in range(ENDPOINTS_MAX):
        desk.endpoint(f"/{number}")
    with pytest.raises(TooManyEndpoints):
        desk.endpoint("/one-more")
    assert isinstance(desk.endpoint(owner=Owner(OwnerKind.PARTNER, desk.owner.id))[0], UUID)


def test_nothing_is_queued_for_an_endpoint_that_is_removed_meanwhile(desk: Desk) -> None:
    endpoint_id, _ = desk.endpoint()
    removed, go_on = threading.Event(), threading.Event()

    def remove(session: Session) -> None:
        endpoints.remove(session, desk.owner, endpoint_id, desk.clock.now())
        removed.set()
        go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        removing = pool.submit(desk.database.run, remove)
        assert removed.wait(10)
        happening = pool.submit(desk.happen)
        with pytest.raises(TimeoutError):
            happening.result(0.5)  # It waits for the one that removes.
        go_on.set()
        removing.result(10)
        happening.result(10)

    assert desk.states(endpoint_id) == []
