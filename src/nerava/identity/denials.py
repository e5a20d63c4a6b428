"""What people of ops and partners were not allowed to do, written into the audit log, and not without end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi.concurrency import run_in_threadpool

from nerava.audit import ActorKind, Entry, Result
from nerava.identity.acting import CLIENT
from nerava.identity.errors import StepUpRequired
from nerava.identity.guard import Knocking
from nerava.identity.roles import Role
from nerava.kernel.errors import NeravaError
from nerava.platform.client_address import NOWHERE, client_address
from nerava.platform.limit_numbers import DENIAL
from nerava.platform.limits import RateLimited
from nerava.platform.problem import reference_of

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi import Request
    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.kernel.clock import Clock
    from nerava.platform.client_address import Network
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits

log = logging.getLogger(__name__)

ACTION: Final = "policy.denied"


@dataclass(frozen=True, slots=True)
class Denied:
    """A request that was refused.

    Attributes:
        route: Its method and the template of its path: neither ids nor queries.
        request_id: Its trace id.
        ip_prefix: The /24 or /48 it came from.
    """

    route: str
    request_id: str
    ip_prefix: str | None


class Denials:
    """Writes refusals of ops and partners down. Safe to share between threads and processes."""

    def __init__(
        self,
        database: Database,
        limits: Limits,
        audit: AuditLog,
        clock: Clock,
        *,
        trusted_proxies: tuple[Network, ...] = (),
    ) -> None:
        """Take also whose `X-Forwarded-For` is believed."""
        self._database = database
        self._limits = limits
        self._audit = audit
        self._clock = clock
        self._trusted_proxies = trusted_proxies

    async def tell(self, request: Request, error: NeravaError) -> None:
        """Write a refused request down, if the guard knew who sent it."""
        knocking = getattr(request.state, "knocking", None)
        if not isinstance(knocking, Knocking):
            return
        place = client_address(request, self._trusted_proxies)
        route = getattr(request.scope.get("route"), "path_format", "unknown")
        denied = Denied(
            route=f"{request.method} {route}",
            request_id=reference_of(request.scope).trace_id,
            ip_prefix=None if place == NOWHERE else place.block,
        )
        await run_in_threadpool(self.note, knocking, denied, error, self._clock.now())

    def note(self, knocking: Knocking, denied: Denied, error: NeravaError, now: datetime) -> None:
        """Write down that this caller was refused, ten times a minute for each session or key.

        Works while everything is read-only. The refusal stands whether or not it can be written.
        """
        kind = _kind(knocking)
        if kind is None:
            return
        entry = _entry(knocking, denied, error, kind)
        hits = DENIAL.keyed(identity=str(knocking.session_id or knocking.subject))

        def unit(session: Session) -> None:
            self._limits.hit(session, hits, now)
            self._audit.record(session, entry, now)

        try:
            self._database.run(unit, essential=True)
        except RateLimited:
            log.info("a caller is refused more often than the audit log is told")
        except NeravaError as trouble:
            log.warning("a refusal could not be written into the audit log: %s", trouble.code)


def _kind(knocking: Knocking) -> ActorKind | None:
    roles = {one.role for one in knocking.memberships}
    if any(not role.has_tenant for role in roles):
        return ActorKind.OPS
    return ActorKind.PARTNER if Role.PARTNER in roles else None


def _entry(knocking: Knocking, denied: Denied, error: NeravaError, kind: ActorKind) -> Entry:
    # Who has several roles was refused under all of them.
    only = knocking.memberships[0] if len(knocking.memberships) == 1 else None
    return Entry(
        actor_kind=kind,
        actor_id=str(knocking.subject),
        action=ACTION,
        object_kind="route",
        object_id=denied.route,
        result=Result.DENIED,
        reason=f"{error.code}:{error.step_up}" if isinstance(error, StepUpRequired) else error.code,
        role=None if only is None else only.role.value,
        session_id=knocking.session_id,
        tenant_id=None if only is None else only.tenant_id,
        request_id=denied.request_id,
        ip_prefix=denied.ip_prefix,
        client_kind=CLIENT,
    )
