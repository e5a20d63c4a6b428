"""Partners, merchants and sponsors say where they want to be told what happens, and see it arrive."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from nerava.identity.roles import Role
from nerava.outbox import deliveries, endpoints
from nerava.outbox.catalogue import TOLD
from nerava.outbox.deliveries import UnknownDelivery
from nerava.outbox.endpoints import (
    EndpointDisabled,
    Owner,
    TooManyEndpoints,
    UnknownEndpoint,
    Wanted,
)
from nerava.outbox.webhook_store import URL_MAX, DeliveryState, DisabledBecause, EndpointState, OwnerKind
from nerava.platform.idempotency import Answer, Replay
from nerava.platform.idempotency_store import once
from nerava.platform.outbound.addresses import UrlRefused
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body, Instant
from nerava.web.api.keyed import Keyed
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.outbox.endpoints import NewSecret
    from nerava.outbox.webhook_store import WebhookDelivery

routes: Final = router("webhook endpoints")

_ROLES: Final = ("partner", "merchant:owner", "sponsor")
_READS: Final = Policy(roles=_ROLES, scope="webhooks:read")
_ADDS: Final = Policy(roles=_ROLES, scope="webhooks:write", repeats=Repeats.KEY_ACCEPTED)
_CHANGES: Final = Policy(roles=_ROLES, scope="webhooks:write", repeats=Repeats.BY_MEANING)
_KINDS: Final = {
    Role.PARTNER: OwnerKind.PARTNER,
    Role.MERCHANT_OWNER: OwnerKind.MERCHANT,
    Role.SPONSOR: OwnerKind.SPONSOR,
}
_KNOWN: Final = frozenset(TOLD)
_OBJECT: Final = "webhook_endpoint"


class EndpointIn(Body):
    """Where you want to be told, and of what."""

    url: Annotated[str, Field(min_length=1, max_length=URL_MAX)] = Field(
        description="https on port 443, at an address of the public internet"
    )
    types: Annotated[list[str], Field(max_length=len(TOLD))] = Field(
        default=[], description="Such as `payout.paid`; empty for everything that concerns you"
    )

    @field_validator("types")
    @classmethod
    def _are_known(cls, types: list[str]) -> list[str]:
        if not _KNOWN.issuperset(types):
            message = "names a type of event that does not exist"
            raise ValueError(message)
        return types

    @property
    def wanted(self) -> Wanted:
        """What is asked for."""
        return Wanted(self.url, tuple(self.types))


class EndpointOut(BaseModel):
    """An endpoint. While it is disabled, what happens is kept and can be replayed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    url: str
    types: list[str]
    state: EndpointState
    disabled_because: DisabledBecause | None
    failures: int = Field(description="Attempts in a row that failed")
    last_success_at: datetime | None
    made_at: datetime


class NewSecretOut(BaseModel):
    """An endpoint and its secret. Keep `secret`: it is shown this once."""

    endpoint: EndpointOut
    secret: str | None = Field(description="`whsec_` and base64; null when the answer is given again")

    @classmethod
    def of(cls, new: NewSecret) -> NewSecretOut:
        """Return the wire form of a new secret."""
        return cls(endpoint=EndpointOut.model_validate(new.endpoint), secret=new.text)


class EndpointsOut(BaseModel):
    """Your endpoints, the oldest first; ten at most."""

    endpoints: list[EndpointOut]


class DeliveryOut(BaseModel):
    """An event and whether it arrived."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    event_id: UUID = Field(description="The `webhook-id` of every attempt")
    type: str
    state: DeliveryState
    attempts: int = Field(description="Since it was told, or since it was last replayed")
    next_at: datetime | None
    made_at: datetime
    ended_at: datetime | None


class AttemptOut(BaseModel):
    """What came back from one attempt."""

    model_config = ConfigDict(from_attributes=True)

    status: int | None
    trouble: str | None = Field(description="Why no answer came")
    took_ms: int
    tried_at: datetime


class DeliveryDetailOut(DeliveryOut):
    """An event, what was sent, and every attempt."""

    body: str
    log: list[AttemptOut]


class ReplayIn(Body):
    """From when on you want to be told what you missed; 30 days back at most."""

    since: Instant


class ReplayOut(BaseModel):
    """How much is sent again; 10,000 at once at most."""

    replayed: int


def _owner(actor: Acting) -> Owner:
    if actor.acting.tenant_id is None:
        raise AssertionError("ops has no endpoints")
    return Owner(_KINDS[actor.acting.role], actor.acting.tenant_id)


@routes.post(
    "/webhook-endpoints",
    summary="Add a webhook endpoint",
    status_code=HTTPStatus.CREATED,
    response_model=NewSecretOut,
    responses=problems(UrlRefused, TooManyEndpoints),
)
@guarded(_ADDS)
def make(body: EndpointIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now) -> Response:
    """Add an endpoint and show its secret, once. Messages are signed as Standard Webhooks says."""
    made: list[NewSecretOut] = []

    def work(session: Session) -> Answer:
        new = wired.endpoints.make(session, _owner(actor), body.wanted, now)
        told = {"types": list(new.endpoint.types)}
        wired.audit.record(session, actor.entry("webhook.added", _OBJECT, new.endpoint.id, after=told), now)
        made[:] = [NewSecretOut.of(new)]
        # What is secret is never stored: a repetition learns everything else.
        return Answer.of(made[0].model_copy(update={"secret": None}), HTTPStatus.CREATED)

    given = once(wired.database, request, work, now=now)
    if given.replay is Replay.FIRST and made and given.answer.status == HTTPStatus.CREATED:
        return Answer.of(made[0], HTTPStatus.CREATED).response()
    return given.answer.response(given.replay)


@routes.get("/webhook-endpoints", summary="My webhook endpoints")
@guarded(_READS)
def mine(actor: Acting, wired: Wired) -> EndpointsOut:
    """Return where you are told what happens."""

    def look(session: Session) -> EndpointsOut:
        found = endpoints.every(session, _owner(actor))
        return EndpointsOut(endpoints=[EndpointOut.model_validate(one) for one in found])

    return wired.database.read(look)


@routes.put(
    "/webhook-endpoints/{endpoint_id}",
    summary="Change a webhook endpoint",
    responses=problems(UnknownEndpoint, UrlRefused),
)
@guarded(_CHANGES)
def change(endpoint_id: UUID, body: EndpointIn, actor: Acting, *, wired: Wired, now: Now) -> EndpointOut:
    """Replace its address and what it is told; what waits already goes to the new address."""

    def work(session: Session) -> EndpointOut:
        found = wired.endpoints.change(session, _owner(actor), endpoint_id, body.wanted)
        told = {"types": list(found.types)}
        wired.audit.record(session, actor.entry("webhook.changed", _OBJECT, endpoint_id, after=told), now)
        return EndpointOut.model_validate(found)

    return wired.database.run(work)


@routes.delete(
    "/webhook-endpoints/{endpoint_id}",
    summary="Remove a webhook endpoint",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownEndpoint),
)
@guarded(_CHANGES)
def remove(endpoint_id: UUID, actor: Acting, wired: Wired, now: Now) -> None:
    """Forget an endpoint and its secrets for good."""

    def work(session: Session) -> None:
        endpoints.remove(session, _owner(actor), endpoint_id, now)
        wired.audit.record(session, actor.entry("webhook.removed", _OBJECT, endpoint_id), now)

    wired.database.run(work)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/secret",
    summary="Renew a webhook secret",
    responses=problems(UnknownEndpoint),
)
@guarded(_CHANGES)
def renew_secret(endpoint_id: UUID, actor: Acting, wired: Wired, now: Now) -> NewSecretOut:
    """Make a new secret and show it, once; for 24 hours messages are signed with both."""

    def work(session: Session) -> NewSecretOut:
        new = wired.endpoints.renew_secret(session, _owner(actor), endpoint_id, now)
        wired.audit.record(session, actor.entry("webhook.secret_renewed", _OBJECT, endpoint_id), now)
        return NewSecretOut.of(new)

    return wired.database.run(work)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/enable",
    summary="Enable a webhook endpoint",
    responses=problems(UnknownEndpoint),
)
@guarded(_CHANGES)
def enable(endpoint_id: UUID, actor: Acting, wired: Wired, now: Now) -> EndpointOut:
    """Have it told what happens from now on; what it missed can be replayed. Repeats safely."""

    def work(session: Session) -> EndpointOut:
        found = endpoints.enable(session, _owner(actor), endpoint_id, now)
        wired.audit.record(session, actor.entry("webhook.enabled", _OBJECT, endpoint_id), now)
        return EndpointOut.model_validate(found)

    return wired.database.run(work)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/disable",
    summary="Disable a webhook endpoint",
    responses=problems(UnknownEndpoint),
)
@guarded(_CHANGES)
def disable(endpoint_id: UUID, actor: Acting, wired: Wired, now: Now) -> EndpointOut:
    """Have it told nothing; what happens is kept for 30 days. Repeats safely."""

    def work(session: Session) -> EndpointOut:
        found = endpoints.find(session, _owner(actor), endpoint_id)
        if found.state == EndpointState.ENABLED.value:
            endpoints.disable(session, found, DisabledBecause.OWNER, now)
            wired.audit.record(session, actor.entry("webhook.disabled", _OBJECT, endpoint_id), now)
        return EndpointOut.model_validate(found)

    return wired.database.run(work)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/test",
    summary="Send a test to a webhook endpoint",
    responses=problems(UnknownEndpoint, EndpointDisabled),
)
@guarded(_CHANGES)
def test(endpoint_id: UUID, actor: Acting, wired: Wired, now: Now) -> DeliveryOut:
    """Send `webhook_endpoint.tested`, whatever types it wants; the deliveries show whether it arrived."""
    return wired.database.run(
        lambda session: _delivery(deliveries.send_test(session, _owner(actor), endpoint_id, now))
    )


@routes.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    summary="What a webhook endpoint was told",
    responses=problems(UnknownEndpoint),
)
@guarded(_READS)
def told(
    endpoint_id: UUID,
    actor: Acting,
    wired: Wired,
    *,
    state: Annotated[DeliveryState | None, Query(description="Those in this state alone")] = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[DeliveryOut]:
    """Return events and whether they arrived, the latest first; kept for 30 days."""
    before = after_id(cursor)

    def look(session: Session) -> list[DeliveryOut]:
        endpoints.look_up(session, _owner(actor), endpoint_id)
        found = deliveries.deliveries(session, endpoint_id, state=state, before=before, limit=limit)
        return [_delivery(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}",
    summary="One event at a webhook endpoint",
    responses=problems(UnknownEndpoint, UnknownDelivery),
)
@guarded(_READS)
def delivery(endpoint_id: UUID, delivery_id: UUID, actor: Acting, wired: Wired) -> DeliveryDetailOut:
    """Return what was sent and what came back from each attempt: status and time, never a body."""

    def look(session: Session) -> DeliveryDetailOut:
        found = deliveries.delivery_of(session, _owner(actor), endpoint_id, delivery_id)
        log = [AttemptOut.model_validate(one) for one in deliveries.attempts_of(session, delivery_id)]
        return DeliveryDetailOut(**_delivery(found).model_dump(), body=found.body, log=log)

    return wired.database.read(look)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay",
    summary="Send an event again",
    responses=problems(UnknownEndpoint, UnknownDelivery, EndpointDisabled),
)
@guarded(_CHANGES)
def replay(endpoint_id: UUID, delivery_id: UUID, actor: Acting, *, wired: Wired, now: Now) -> DeliveryOut:
    """Send it once more under the same id, from the beginning of the schedule."""

    def work(session: Session) -> DeliveryOut:
        again = deliveries.replay_one(session, _owner(actor), endpoint_id, delivery_id, now)
        wired.audit.record(session, actor.entry("webhook.replayed", _OBJECT, endpoint_id), now)
        return _delivery(again)

    return wired.database.run(work)


@routes.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    summary="Send again what a webhook endpoint missed",
    responses=problems(UnknownEndpoint, EndpointDisabled),
)
@guarded(_CHANGES)
def replay_since(endpoint_id: UUID, body: ReplayIn, actor: Acting, *, wired: Wired, now: Now) -> ReplayOut:
    """Send what had every attempt, and what happened while it was disabled, since an instant."""

    def work(session: Session) -> ReplayOut:
        count = deliveries.replay_since(session, _owner(actor), endpoint_id, body.since, now)
        after = {"since": body.since.isoformat(), "replayed": count}
        wired.audit.record(session, actor.entry("webhook.replayed", _OBJECT, endpoint_id, after=after), now)
        return ReplayOut(replayed=count)

    return wired.database.run(work)


def _delivery(found: WebhookDelivery) -> DeliveryOut:
    return DeliveryOut.model_validate(found)
