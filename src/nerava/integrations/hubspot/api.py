"""`Crm` over HubSpot's dated API: contacts by batch, events once, and people who leave."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from nerava.crm.ports import GONE
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.outbound import CallPolicy, Lost, NotSent, Outbound, Reply, Surroundings, ask_with
from nerava.platform.provider_calls import HUBSPOT_EVENTS, HUBSPOT_FORGET, HUBSPOT_UPSERT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nerava.crm.ports import Happening, Person
    from nerava.platform.live_secrets import Given
    from nerava.platform.outbound import Result

log = logging.getLogger(__name__)

BASE_URL: Final = "https://api.hubapi.com"
BATCH_MAX: Final = 100
PORTAL: Final = "portal"
DAILY: Final = "DAILY"
TEN_SECONDS: Final = timedelta(seconds=10)
NOT_FOUND: Final = "OBJECT_NOT_FOUND"
_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class HubSpotAccess:
    """What HubSpot gave us.

    Attributes:
        token: Of a private app.
        portal: The number of our portal, which names of events begin with.
        zone: The portal's time zone; its daily limit begins anew at midnight there.
        version: The date in the paths.
        base_url: Where the API is; None means HubSpot's own address.
    """

    token: Given = field(repr=False)
    portal: str
    zone: str = "UTC"
    version: str = "2026-03"
    base_url: str | None = None


class HubSpot:
    """Writes to one portal. Safe to share between threads."""

    people_max = BATCH_MAX
    happenings_max = BATCH_MAX

    def __init__(
        self,
        access: HubSpotAccess,
        *,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
    ) -> None:
        self._access = access
        self._token = live(access.token)
        self._now = now
        self._shared = surroundings or Surroundings()
        self._outbound = Outbound(
            access.base_url or BASE_URL, now=now, wants_retry=_wants_retry, surroundings=self._shared
        )
        self._contacts = f"/crm/objects/{access.version}/contacts"

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def keep(self, people: Sequence[Person]) -> Outcome[Mapping[UUID, Ok[str] | Refused]]:
        """Write people, by name where they have one and else by address; say of each what became of them."""
        by_name = people[0].remote_id is not None
        inputs = [_by_name(one) if by_name else _by_address(one) for one in people]
        path = f"{self._contacts}/batch/{'update' if by_name else 'upsert'}"
        reply = self._ask("POST", path, HUBSPOT_UPSERT.call, {"inputs": inputs})
        if not isinstance(reply, Reply):
            return reply
        told = reply.object()
        if told is None or not isinstance(told.get("results"), list):
            return Unknown("schema-drift")
        return Ok(_each(people, told))

    def tell(self, happenings: Sequence[Happening]) -> Outcome[None]:
        """Tell what happened; an answer that is lost leaves it unknown."""
        inputs = [
            {
                "eventName": f"pe{self._access.portal}_{one.name}",
                "objectId": one.remote_id,
                "occurredAt": _instant(one.at),
                "properties": dict(one.properties),
            }
            for one in happenings
        ]
        path = f"/events/{self._access.version}/send/batch"
        reply = self._ask("POST", path, HUBSPOT_EVENTS.call, {"inputs": inputs})
        return Ok(None) if isinstance(reply, Reply) else reply

    def forget(self, remote_id: str | None, email: str | None, *, for_good: bool) -> Outcome[None]:
        """Remove somebody, or erase them beyond recovery; who is not there is removed."""
        if remote_id is None:
            found = self._found(email)
            if not isinstance(found, Ok):
                return found
            remote_id = found.value
        if remote_id is None:
            return Ok(None)
        if for_good:
            path, body = f"{self._contacts}/gdpr-delete", {"objectId": remote_id}
            reply = self._ask("POST", path, HUBSPOT_FORGET.call, body)
        else:
            reply = self._ask("DELETE", f"{self._contacts}/{remote_id}", HUBSPOT_FORGET.call, None)
        if isinstance(reply, Reply) or (isinstance(reply, Refused) and reply.code == GONE):
            return Ok(None)
        return reply

    def _found(self, email: str | None) -> Outcome[str | None]:
        """Return the name of who has an address; the address stands in the body and so in no log of paths."""
        if email is None:
            return Ok(None)
        body = {"idProperty": "email", "properties": ["email"], "inputs": [{"id": email}]}
        reply = self._ask("POST", f"{self._contacts}/batch/read", HUBSPOT_FORGET.call, body)
        if not isinstance(reply, Reply):
            return reply
        found = (reply.object() or {}).get("results")
        if not isinstance(found, list):
            return Unknown("schema-drift")
        names = [str(one["id"]) for one in found if isinstance(one, dict) and one.get("id")]
        return Ok(names[0] if names else None)

    def _ask(
        self, method: str, path: str, policy: CallPolicy, body: Mapping[str, Any] | None
    ) -> Reply | RetryLater | Unknown | Misconfigured | Refused:
        """Return a reply that says yes, or the outcome."""
        sent = b"" if body is None else orjson.dumps(body)

        def ask(token: str) -> Result:
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            return self._outbound.ask(method, path, policy, headers=headers, body=sent, partition=PORTAL)

        result = ask_with(self._token, ask)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        return result if result.is_success else self._failure(result)

    def _failure(self, reply: Reply) -> RetryLater | Unknown | Misconfigured | Refused:
        told = reply.object() or {}
        category = told.get("category")
        word = category.lower().replace("_", "-") if isinstance(category, str) else f"status-{reply.status}"
        if reply.status in _OURS:
            return Misconfigured(word)
        if reply.is_busy:
            return self._held_back(reply, told)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown(f"status-{reply.status}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return Refused(GONE)
        return Refused(word)

    def _held_back(self, reply: Reply, told: Mapping[str, Any]) -> RetryLater:
        """Leave the portal alone for as long as the limit says: some seconds, or until its next day."""
        now = self._now()
        if told.get("policyName") == DAILY:
            code, not_before = "limit-of-the-day", _next_midnight(now, self._access.zone)
        else:
            wait_s = reply.retry_after_s(now)
            wait = TEN_SECONDS if wait_s is None else timedelta(seconds=wait_s)
            code, not_before = "limit-of-ten-seconds", now + wait
        self._shared.pauses.keep(HUBSPOT_UPSERT.call.provider, PORTAL, not_before, now)
        return RetryLater(code, not_before)


def _wants_retry(reply: Reply) -> bool | None:
    """Say no where the limit of a day is used up; whether there is time for the other one is counted."""
    return False if reply.is_busy and (reply.object() or {}).get("policyName") == DAILY else None


def _by_address(one: Person) -> dict[str, Any]:
    properties = {"email": one.email, **one.properties}
    return {
        "id": one.email,
        "idProperty": "email",
        "properties": properties,
        "objectWriteTraceId": str(one.trace),
    }


def _by_name(one: Person) -> dict[str, Any]:
    properties = {"email": one.email, **one.properties}
    return {"id": one.remote_id, "properties": properties, "objectWriteTraceId": str(one.trace)}


def _each(people: Sequence[Person], told: Mapping[str, Any]) -> dict[UUID, Ok[str] | Refused]:
    """Return what became of each, found by trace; an error may name them by id instead."""
    traces = {str(one.trace): one.trace for one in people}
    names = {one.remote_id: one.trace for one in people if one.remote_id is not None}
    found: dict[UUID, Ok[str] | Refused] = {}
    for one in _objects(told.get("results")):
        trace, name = traces.get(str(one.get("objectWriteTraceId"))), one.get("id")
        if trace is not None and name:
            found[trace] = Ok(str(name))
    for one in _objects(told.get("errors")):
        context = one.get("context")
        context = context if isinstance(context, dict) else {}
        category = str(one.get("category", ""))
        code = GONE if category == NOT_FOUND else category.lower().replace("_", "-") or "refused"
        for word in _words(context.get("objectWriteTraceId")):
            if word in traces:
                found[traces[word]] = Refused(code)
        for word in _words(context.get("ids")):
            if word in names:
                found[names[word]] = Refused(code)
    return found


def _objects(told: object) -> Iterator[dict[str, Any]]:
    yield from (one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()


def _words(told: object) -> list[str]:
    return [str(one) for one in told] if isinstance(told, list) else [str(told)] if told else []


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _next_midnight(now: datetime, zone: str) -> datetime:
    there = now.astimezone(ZoneInfo(zone))
    return datetime.combine(there.date() + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
