"""What waits, what is late, and what was given up: for ops, in one page."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from nerava.inbound.model import EventState
from nerava.inbound.queries import events, revive
from nerava.kernel.errors import NeravaError
from nerava.ledger.watching import alarms
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router
from nerava.web.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("ops: queues")

_READS: Final = Policy(roles=("ops:support", "ops:finance"), scope="queues:read")


class NoDeadEvent(NeravaError):
    """There is no event of this id that was given up."""

    code = "no-dead-event"
    status = HTTPStatus.NOT_FOUND
    title = "No such event"


class QueueOut(BaseModel):
    """One kind of work that waits."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    waiting: int = Field(description="Not done yet, due or not")
    late: int = Field(description="Due; a moment of it is normal")
    oldest_due_at: datetime | None
    given_up: int = Field(description="Nothing happens to these without a person")


class QueuesOut(BaseModel):
    """All kinds of work, the most urgent for money first."""

    queues: list[QueueOut]


class ProviderEventOut(BaseModel):
    """What a provider told, without its body."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    account: str
    event_id: str
    kind: str
    object_id: str
    state: EventState
    attempts: int
    trouble: str | None
    received_at: datetime
    due_at: datetime | None
    done_at: datetime | None


@routes.get("/ops/queues", summary="What waits, and for how long")
@guarded(_READS)
def queues(wired: Wired, now: Now) -> QueuesOut:
    """Return every kind of work that waits for its turn, a provider or a person."""

    def look(session: Session) -> QueuesOut:
        return QueuesOut(queues=[QueueOut.model_validate(one.read(session, now)) for one in QUEUES])

    return wired.database.read(look)


class AlarmOut(BaseModel):
    """Something that may never be, and was found."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str = Field(description="The invariant, as `nerava ledger audit` names it")
    subject: str
    detail: str
    first_seen_at: datetime
    last_seen_at: datetime
    over_at: datetime | None = Field(description="When a look did not find it any more")


@routes.get("/ops/alarms", summary="What is wrong with the books")
@guarded(_READS)
def list_alarms(
    wired: Wired,
    is_open: Annotated[bool, Query(alias="open")] = True,  # noqa: FBT002 - a query parameter
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[AlarmOut]:
    """Return the alarms that ring, or those that are over, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[AlarmOut]:
        found = alarms(session, is_open=is_open, after=after, limit=limit)
        return [AlarmOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get("/ops/provider-events", summary="What providers told")
@guarded(_READS)
def provider_events(
    wired: Wired,
    state: Annotated[EventState, Query(description="Those in this state alone")] = EventState.DEAD,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[ProviderEventOut]:
    """Return events in one state, the newest first."""
    after = after_id(cursor)
    items = wired.database.read(
        lambda session: [
            ProviderEventOut.model_validate(one) for one in events(session, state, after=after, limit=limit)
        ]
    )
    return page_by_id(items, limit)


@routes.post(
    "/ops/provider-events/{event_id}/retry",
    summary="Work on an event once more",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NoDeadEvent),
)
@guarded(Policy(roles=("ops:finance",), scope="queues:write", repeats=Repeats.BY_MEANING))
def retry(event_id: UUID, actor: Acting, wired: Wired, now: Now) -> None:
    """Give an event that was given up another day. An event moves no money; the provider is read."""

    def work(session: Session) -> None:
        if not revive(session, event_id, now):
            raise NoDeadEvent
        told = actor.entry("provider_event.retried", "provider_event", event_id)
        wired.audit.record(session, told, now)

    wired.database.run(work)
