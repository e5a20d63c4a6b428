"""The relay: brings what is due to each endpoint, one at a time and in order, many endpoints at once."""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, func, or_, select

from nerava.kernel.ids import new_id
from nerava.outbox.endpoints import Owner, disable
from nerava.outbox.signing import signed_headers
from nerava.outbox.webhook_store import (
    DeliveryState,
    DisabledBecause,
    EndpointState,
    OwnerKind,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from nerava.platform import tracing
from nerava.platform.outbound import NotSent, Outbound, Reply
from nerava.platform.outbound.addresses import UrlRefused
from nerava.platform.provider_calls import WEBHOOK_SEND
from nerava.platform.vault import KeyDestroyed, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.outbox.endpoints import Endpoints
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""Longer than the longest attempt, so that one relay at a time has an endpoint."""

GAPS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before each attempt, counted from the one before; about three days in all."""

JITTER: Final = 0.2
CALM_UNTIL: Final = 2
"""So many failures in a row change nothing for other events of the endpoint."""

PAUSE: Final = timedelta(seconds=5)
PAUSE_MAX: Final = timedelta(minutes=5)
AT_ONCE: Final = 16
FAILING_AT_ONCE: Final = 8
"""Endpoints that failed last time have half of the places, so that slow ones never take all."""


class Sender(Protocol):
    """Sends one message and says what came of it; never raises for that."""

    def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Send, within the deadline of the policy."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """What came back: a status, or the reason why none did.

    Attributes:
        retry_after_s: How long the other side wants us to wait, an hour at most.
    """

    status: int | None
    trouble: str | None = None
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether it arrived: any of the two hundreds, and nothing else."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class HttpSender:
    """Sends over HTTPS to addresses of the public internet alone, looked at whenever it connects.

    Args:
        is_local: Says of an address whether it is one of this machine that is allowed here.
    """

    def __init__(self, is_local: Callable[[str], bool], now: Callable[[], datetime]) -> None:
        self._is_local = is_local
        self._now = now

    def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Send one message; a redirect is an answer like any other and not followed."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            # A client for one call: the address behind the name is looked at every time.
            outbound = Outbound(
                f"{parts.scheme}://{parts.netloc}", now=self._now, only_public=not self._is_local(url)
            )
        except UrlRefused:
            return Sent(None, "url-refused")
        try:
            result = outbound.ask("POST", path, WEBHOOK_SEND.call, headers=headers, body=body)
        finally:
            outbound.close()
        if isinstance(result, Reply):
            return Sent(result.status, None, result.retry_after_s(self._now()))
        return Sent(None, ("not-sent:" if isinstance(result, NotSent) else "lost:") + result.code[:50])


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this relay has to bring to an endpoint now."""

    endpoint_id: UUID
    fence: int
    delivery_id: UUID
    event_id: UUID
    url: str
    was_failing: bool
    body: bytes
    secrets: tuple[bytes, ...] = field(repr=False)
    left_by: str | None = None


class Notice(Protocol):
    """Tells the people of an owner, in the caller's transaction, that an endpoint was disabled."""

    def __call__(self, session: Session, owner: Owner, endpoint: WebhookEndpoint, now: datetime) -> None:
        """Tell them."""
        ...


@dataclass(frozen=True, slots=True)
class RelayTools:
    """What a relay works with."""

    database: Database
    endpoints: Endpoints
    clock: Clock
    sender: Sender
    notice: Notice


class Relay:
    """Brings messages. Safe to share between threads and processes, and to kill anywhere.

    Killed after sending and before noting it, a message is sent again a minute later, under the same id.
    """

    def __init__(self, tools: RelayTools, at_once: int = AT_ONCE) -> None:
        self._tools = tools
        self.endpoints = tools.endpoints
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="webhooks")
        self._lock = threading.Lock()
        self._under_way: dict[Future[None], bool] = {}
        self._random = random.SystemRandom()

    def run(self, now: datetime) -> int:
        """Begin to bring what is due, as far as there is room, and return how many were begun.

        Does not wait for the answers, so that an endpoint that takes its time keeps nobody waiting.
        """
        with self._lock:
            self._under_way = {one: failing for one, failing in self._under_way.items() if not one.done()}
            free = self._at_once - len(self._under_way)
            for_failing = min(free, FAILING_AT_ONCE - sum(self._under_way.values()))
        claims = self.claim(now, free, for_failing) if free else []
        with self._lock:
            for one in claims:
                self._under_way[self._pool.submit(self._bring, one)] = one.was_failing
        return len(claims)

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing that was begun is under way."""
        with self._lock:
            under_way = list(self._under_way)
        wait(under_way, timeout_s)

    def close(self) -> None:
        """Finish what is under way and begin nothing more."""
        self._pool.shutdown()

    def claim(self, now: datetime, limit: int, for_failing: int) -> list[Claim]:
        """Take endpoints that have something due for a minute, each with the first of it."""
        return self._tools.database.run(lambda session: self._claimed(session, now, limit, for_failing))

    def deliver(self, claim: Claim) -> None:
        """Send a claimed message and note what came of it."""
        now = self._tools.clock.now()
        began = time.monotonic()
        headers = signed_headers(claim.secrets, claim.event_id, claim.body, now)
        sent = self._tools.sender.send(claim.url, headers, claim.body)
        took_ms = int((time.monotonic() - began) * 1_000)
        self._tools.database.run(
            lambda session: self._note(session, claim, sent, took_ms, self._tools.clock.now()),
            repeatable=True,
        )

    def _bring(self, claim: Claim) -> None:
        try:
            with tracing.resumed(claim.left_by, "webhook delivery"):
                self.deliver(claim)
        except Exception:  # the lease ends by itself, and the message is sent again
            log.exception("delivery %s was interrupted", claim.delivery_id)

    def _claimed(self, session: Session, now: datetime, limit: int, for_failing: int) -> list[Claim]:
        well = _due(session, now, WebhookEndpoint.failures == 0, limit)
        room = min(for_failing, limit - len(well))
        endpoints = well + (_due(session, now, WebhookEndpoint.failures > 0, room) if room > 0 else [])
        return [claim for one in endpoints if (claim := self._claim_one(session, one, now)) is not None]

    def _claim_one(self, session: Session, endpoint: WebhookEndpoint, now: datetime) -> Claim | None:
        delivery = session.scalars(
            select(WebhookDelivery)
            .where(
                WebhookDelivery.endpoint_id == endpoint.id,
                WebhookDelivery.state == DeliveryState.WAITING.value,
                WebhookDelivery.next_at <= now,
            )
            .order_by(WebhookDelivery.position, WebhookDelivery.id)
            .limit(1)
        ).one_or_none()
        if delivery is None:
            endpoint.next_at = _next_of(session, endpoint.id)
            return None
        try:
            secrets = self._tools.endpoints.secrets_of(session, endpoint, now)
        except (Unreadable, KeyDestroyed):
            # One whose secret cannot be read must not keep the others waiting.
            log.warning("the secret of webhook endpoint %s cannot be read", endpoint.id)
            self._disable(session, endpoint, DisabledBecause.FAILING, now)
            return None
        endpoint.fence += 1
        endpoint.leased_until = now + LEASE
        return Claim(
            endpoint.id,
            endpoint.fence,
            delivery.id,
            delivery.event_id,
            endpoint.url,
            endpoint.failures > 0,
            delivery.body.encode(),
            tuple(secrets),
            delivery.traceparent,
        )

    def _note(self, session: Session, claim: Claim, sent: Sent, took_ms: int, now: datetime) -> None:
        mine = select(WebhookEndpoint).where(
            WebhookEndpoint.id == claim.endpoint_id, WebhookEndpoint.fence == claim.fence
        )
        # Its key, too: where it gets disabled, what is being queued for it at this moment stops as well.
        endpoint = session.scalars(mine.with_for_update()).one_or_none()
        delivery = session.get(WebhookDelivery, claim.delivery_id, with_for_update=True)
        if endpoint is None or delivery is None:
            return  # The lease was over and another relay has it, or it was removed meanwhile.
        session.add(_attempt(claim.delivery_id, sent, took_ms, now))
        endpoint.leased_until = None
        if delivery.state != DeliveryState.WAITING.value:
            session.flush()
            return  # Disabled while it was under way; the log has the attempt.
        delivery.attempts += 1
        if sent.is_success:
            _end(delivery, DeliveryState.DELIVERED, now)
            endpoint.failures, endpoint.last_success_at = 0, now
        else:
            self._failed(session, endpoint, delivery, sent, now)
        session.flush()
        if endpoint.state == EndpointState.ENABLED.value:
            following = _next_of(session, endpoint.id)
            endpoint.next_at = None if following is None else max(following, now + _pause(endpoint, sent))

    def _failed(
        self,
        session: Session,
        endpoint: WebhookEndpoint,
        delivery: WebhookDelivery,
        sent: Sent,
        now: datetime,
    ) -> None:
        endpoint.failures += 1
        if sent.status == HTTPStatus.GONE:
            _end(delivery, DeliveryState.FAILED, now)
            self._disable(session, endpoint, DisabledBecause.GONE, now)
        elif delivery.attempts < len(GAPS):
            gap = GAPS[delivery.attempts] * self._random.uniform(1 - JITTER, 1 + JITTER)
            delivery.next_at = now + max(gap, timedelta(seconds=sent.retry_after_s or 0))
        else:
            _end(delivery, DeliveryState.FAILED, now)
            heard = endpoint.last_success_at
            if heard is None or heard < delivery.since:
                # Nothing arrived in three days. A message that poisons only itself ends alone.
                self._disable(session, endpoint, DisabledBecause.FAILING, now)

    def _disable(
        self, session: Session, endpoint: WebhookEndpoint, because: DisabledBecause, now: datetime
    ) -> None:
        disable(session, endpoint, because, now)
        owner = Owner(OwnerKind(endpoint.owner_kind), endpoint.owner_id)
        self._tools.notice(session, owner, endpoint, now)


def _due(session: Session, now: datetime, which: ColumnElement[bool], limit: int) -> list[WebhookEndpoint]:
    free = or_(WebhookEndpoint.leased_until.is_(None), WebhookEndpoint.leased_until <= now)
    query = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.state == EndpointState.ENABLED.value, WebhookEndpoint.next_at <= now)
        .where(free, which)
        .order_by(WebhookEndpoint.next_at, WebhookEndpoint.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def _next_of(session: Session, endpoint_id: UUID) -> datetime | None:
    earliest: Any = select(func.min(WebhookDelivery.next_at)).where(
        WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state == DeliveryState.WAITING.value
    )
    found: datetime | None = session.scalar(earliest)
    return found


def _pause(endpoint: WebhookEndpoint, sent: Sent) -> timedelta:
    """Return how long an endpoint is left alone, whatever waits for it."""
    told = timedelta(seconds=0 if sent.is_success else sent.retry_after_s or 0)
    in_a_row = endpoint.failures - CALM_UNTIL
    return told if in_a_row <= 0 else max(told, min(PAUSE_MAX, PAUSE * 2 ** min(in_a_row, 16)))


def _attempt(delivery_id: UUID, sent: Sent, took_ms: int, now: datetime) -> WebhookAttempt:
    return WebhookAttempt(
        id=new_id(),
        delivery_id=delivery_id,
        status=sent.status,
        trouble=sent.trouble,
        took_ms=took_ms,
        tried_at=now,
    )


def _end(delivery: WebhookDelivery, state: DeliveryState, now: datetime) -> None:
    delivery.state, delivery.next_at, delivery.ended_at = state.value, None, now
