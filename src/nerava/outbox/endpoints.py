"""Webhook endpoints: made, changed, given new secrets, and removed by those who own them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import func, select, update

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.outbox.signing import new_secret, secret_text
from nerava.outbox.webhook_store import (
    DeliveryState,
    DisabledBecause,
    EndpointState,
    OwnerKind,
    WebhookDelivery,
    WebhookEndpoint,
)
from nerava.platform.outbound.addresses import UrlRefused, require_public_url
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault

ENDPOINTS_MAX: Final = 10
OLD_SECRET_GOOD_FOR: Final = timedelta(hours=24)
_LOCAL: Final = frozenset({"127.0.0.1", "localhost"})


class UnknownEndpoint(NeravaError):
    """The owner has no such endpoint."""

    code = "unknown-webhook-endpoint"
    status = HTTPStatus.NOT_FOUND
    title = "No such webhook endpoint"


class TooManyEndpoints(NeravaError):
    """The owner has as many endpoints as there can be."""

    code = "too-many-webhook-endpoints"
    status = HTTPStatus.CONFLICT
    title = "There are ten endpoints already; remove one first"


class EndpointDisabled(NeravaError):
    """Nothing is sent there for now."""

    code = "webhook-endpoint-disabled"
    status = HTTPStatus.CONFLICT
    title = "The endpoint is disabled; enable it first"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose endpoints they are."""

    kind: OwnerKind
    id: UUID

    @property
    def key(self) -> str:
        """Whose key of the vault seals the secrets."""
        return f"webhooks:{self.kind.value}:{self.id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where somebody wants to be told, and of what; no types means everything that concerns them."""

    url: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret, shown this once."""

    endpoint: WebhookEndpoint
    text: str = field(repr=False)


class Endpoints:
    """Keeps endpoints. Safe to share between threads.

    Args:
        allows_local: Whether an address of this machine will do, by plain HTTP: never where production
            rules hold.
    """

    def __init__(self, vault: Vault, *, allows_local: bool) -> None:
        self._vault = vault
        self.allows_local = allows_local

    def make(self, session: Session, owner: Owner, wanted: Wanted, now: datetime) -> NewSecret:
        """Make an endpoint and return it with its secret.

        Raises:
            UrlRefused: It is none that we call (422).
            TooManyEndpoints: The owner has ten (409).
        """
        url = self.checked(wanted.url)
        mine = select(func.count()).select_from(WebhookEndpoint).where(*_of(owner))
        if (session.scalar(mine) or 0) >= ENDPOINTS_MAX:
            raise TooManyEndpoints
        endpoint_id, secret = new_id(), new_secret()
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            owner_kind=owner.kind.value,
            owner_id=owner.id,
            url=url,
            types=sorted(set(wanted.types)),
            state=EndpointState.ENABLED.value,
            secret=self._vault.encrypt(session, owner.key, place_of(endpoint_id), secret, now),
            failures=0,
            fence=0,
            made_at=now,
        )
        session.add(endpoint)
        session.flush()
        return NewSecret(endpoint, secret_text(secret))

    def change(self, session: Session, owner: Owner, endpoint_id: UUID, wanted: Wanted) -> WebhookEndpoint:
        """Change where an endpoint is and what it is told; what waits already goes to the new address.

        Raises:
            UnknownEndpoint: The owner has no such endpoint (404).
            UrlRefused: It is none that we call (422).
        """
        endpoint = find(session, owner, endpoint_id)
        endpoint.url, endpoint.types = self.checked(wanted.url), sorted(set(wanted.types))
        session.flush()
        return endpoint

    def renew_secret(self, session: Session, owner: Owner, endpoint_id: UUID, now: datetime) -> NewSecret:
        """Give an endpoint a new secret; for 24 hours the one before signs as well.

        Raises:
            UnknownEndpoint: The owner has no such endpoint (404).
        """
        endpoint, secret = find(session, owner, endpoint_id), new_secret()
        if endpoint.secret is None:
            raise AssertionError("an endpoint that is not removed has its secret")
        old = self._vault.decrypt(session, owner.key, place_of(endpoint_id), endpoint.secret)
        place = place_of(endpoint_id, "old_secret")
        endpoint.old_secret = self._vault.encrypt(session, owner.key, place, old, now)
        endpoint.old_until = now + OLD_SECRET_GOOD_FOR
        endpoint.secret = self._vault.encrypt(session, owner.key, place_of(endpoint_id), secret, now)
        session.flush()
        return NewSecret(endpoint, secret_text(secret))

    def secrets_of(self, session: Session, endpoint: WebhookEndpoint, now: datetime) -> list[bytes]:
        """Return the secrets that sign now, the newest first."""
        if endpoint.secret is None:
            raise AssertionError("an endpoint that is not removed has its secret")
        owner = Owner(OwnerKind(endpoint.owner_kind), endpoint.owner_id)
        found = [self._vault.decrypt(session, owner.key, place_of(endpoint.id), endpoint.secret)]
        if endpoint.old_secret is not None and endpoint.old_until is not None and now < endpoint.old_until:
            place = place_of(endpoint.id, "old_secret")
            found.append(self._vault.decrypt(session, owner.key, place, endpoint.old_secret))
        return found

    def checked(self, url: str) -> str:
        """Return an address as it is called.

        Raises:
            UrlRefused: It is none that we call (422).
        """
        return url if self.is_local(url) else require_public_url(url)

    def is_local(self, url: str) -> bool:
        """Return whether it is an address of this machine, where such a one is allowed at all."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise UrlRefused("it is no URL") from None
        return self.allows_local and parts.scheme == "http" and parts.netloc.partition(":")[0] in _LOCAL


def find(session: Session, owner: Owner, endpoint_id: UUID) -> WebhookEndpoint:
    """Return an endpoint of an owner under its lock.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
    """
    query = select(WebhookEndpoint).where(*_of(owner), WebhookEndpoint.id == endpoint_id)
    # Its key, too: what is being queued for it at this moment is waited for, so that it can be stopped.
    found = session.scalars(query.with_for_update()).one_or_none()
    if found is None:
        raise UnknownEndpoint
    return found


def look_up(session: Session, owner: Owner, endpoint_id: UUID) -> WebhookEndpoint:
    """Return an endpoint of an owner.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
    """
    query = select(WebhookEndpoint).where(*_of(owner), WebhookEndpoint.id == endpoint_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownEndpoint
    return found


def every(session: Session, owner: Owner) -> Sequence[WebhookEndpoint]:
    """Return the endpoints of an owner, the oldest first; ten at most."""
    return session.scalars(select(WebhookEndpoint).where(*_of(owner)).order_by(WebhookEndpoint.id)).all()


def enable(session: Session, owner: Owner, endpoint_id: UUID, now: datetime) -> WebhookEndpoint:
    """Tell an endpoint what happens from now on; what it missed can be replayed. Repeats safely.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
    """
    endpoint = find(session, owner, endpoint_id)
    endpoint.state, endpoint.disabled_because, endpoint.failures = EndpointState.ENABLED.value, None, 0
    endpoint.next_at = now
    session.flush()
    return endpoint


def disable(session: Session, endpoint: WebhookEndpoint, because: DisabledBecause, now: datetime) -> None:
    """Tell an endpoint nothing until it is enabled again; what waits is kept for a replay."""
    endpoint.state, endpoint.disabled_because = EndpointState.DISABLED.value, because.value
    endpoint.next_at = None
    _stop(session, endpoint.id, now)
    session.flush()


def remove(session: Session, owner: Owner, endpoint_id: UUID, now: datetime) -> None:
    """Forget an endpoint and its secrets for good.

    Raises:
        UnknownEndpoint: The owner has no such endpoint (404).
    """
    endpoint = find(session, owner, endpoint_id)
    endpoint.state, endpoint.disabled_because, endpoint.next_at = EndpointState.REMOVED.value, None, None
    endpoint.secret = endpoint.old_secret = endpoint.old_until = None
    endpoint.ended_at = now
    _stop(session, endpoint_id, now)
    session.flush()


def place_of(endpoint_id: UUID, column: str = "secret") -> Place:
    """Return where a secret stands."""
    return Place(WebhookEndpoint.__tablename__, column, endpoint_id)


def _of(owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        WebhookEndpoint.owner_kind == owner.kind.value,
        WebhookEndpoint.owner_id == owner.id,
        WebhookEndpoint.state != EndpointState.REMOVED.value,
    )


def _stop(session: Session, endpoint_id: UUID, now: datetime) -> None:
    waiting = update(WebhookDelivery).where(
        WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state == DeliveryState.WAITING.value
    )
    stopped = {"state": DeliveryState.STOPPED.value, "next_at": None, "ended_at": now}
    session.execute(waiting.values(stopped), execution_options={"synchronize_session": False})
