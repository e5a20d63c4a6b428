"""Ops read the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from nerava.audit.queries import Wanted, entries
from nerava.identity.roles import Role
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, encode_cursor
from nerava.platform.policy import Policy, guarded
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Wired, router

routes: Final = router("ops: audit log")

OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_FINANCE.value, Role.OPS_ADMIN.value)

Word = Annotated[str | None, Query(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._:-]*$")]


class EntryOut(BaseModel):
    """Something that somebody did, tried or looked at; opaque ids alone."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    seq: int | None = Field(description="Its place in the chain; null for the seconds until it is linked")
    at: datetime
    actor_kind: str
    actor_id: str
    role: str | None
    session_id: str | None
    action: str
    object_kind: str
    object_id: str
    tenant_id: str | None
    reason: str | None
    ticket: str | None
    request_id: str | None
    ip_prefix: str | None
    client_kind: str | None
    result: str
    has_difference: bool = Field(description="Whether what changed is kept, sealed for its subject")


@routes.get("/ops/audit-log", summary="Who did what")
@guarded(Policy(roles=OPS, scope="audit:read"))
def audit_log(
    wired: Wired,
    *,
    action: Word = None,
    actor_id: Word = None,
    object_kind: Word = None,
    object_id: Word = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[EntryOut]:
    """Return entries, the newest first."""
    wanted = Wanted(action=action, actor_id=actor_id, object_kind=object_kind, object_id=object_id)
    before = after_id(cursor)
    found = wired.database.read(lambda session: entries(session, wanted, before=before, limit=limit))
    return Page(
        items=[EntryOut.model_validate(one) for one in found],
        next_cursor=encode_cursor(str(found[-1].id)) if len(found) == limit else None,
    )
