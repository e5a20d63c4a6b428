"""The simulated HubSpot as a provider: contacts in batches, events, and people who are forgotten."""

from __future__ import annotations

import copy
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.chance import Chance
from nerava.simulators.hubspot.state import HubSpotState
from nerava.simulators.keyless import Silent
from nerava.simulators.wire import Answer, as_json, parsed

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "hubspot"
BATCH_MAX: Final = 100
TEN_SECONDS: Final = timedelta(seconds=10)
_CONTACTS: Final = re.compile(r"/crm/objects/20\d\d-\d\d/contacts/(.+)")
_EVENTS: Final = re.compile(r"/events/20\d\d-\d\d/send(/batch)?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}")
_WORDS: Final = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    409: "CONFLICT",
}


class _Row(Exception):
    """One input is not taken."""

    def __init__(self, category: str, message: str, *, by_id: bool = False) -> None:
        super().__init__(message)
        self.category = category
        self.by_id = by_id


class _Batch(Exception):
    """The whole call is not taken."""


class HubSpotEngine(Silent):
    """A `Provider` that answers like api.hubapi.com."""

    name = NAME

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self.chance = chance
        self.state = HubSpotState()

    def fresh(self) -> None:
        """Forget everything; token and portal are drawn from the seed, not from anybody else's chance."""
        chance = Chance(self.chance.seed)
        number = int(chance.hex(6), 16) + 1_000_000
        self.state = HubSpotState(f"pat-eu1-{chance.hex(8)}-{chance.hex(12)}", str(number))

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API."""
        if call.headers.get("authorization") != f"Bearer {self.state.token}":
            return self._no(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        limited = self._limited()
        if limited is not None:
            return limited
        contacts, events = _CONTACTS.fullmatch(call.path), _EVENTS.fullmatch(call.path)
        try:
            if events is not None and call.method == "POST":
                return self._take_events(parsed(call.body), is_batch=events[1] is not None)
            if contacts is not None:
                return self._contacts(call, contacts[1])
        except _Batch as problem:
            return self._no(400, "VALIDATION_ERROR", str(problem))
        return self._no(404, "OBJECT_NOT_FOUND", "resource not found")

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status; a 429 names the limit, `DAILY` or that of ten seconds."""
        if status == 429:  # noqa: PLR2004 - HTTP's own number
            return self._over(code or "TEN_SECONDLY_ROLLING")
        return self._no(status, code or _WORDS.get(status, "INTERNAL_ERROR"), "There was a problem")

    def believes(self) -> Json:
        """Return contacts and events; no secrets."""
        return copy.deepcopy({"contacts": list(self.state.contacts.values()), "events": self.state.events})

    def _contacts(self, call: Call, rest: str) -> Answer:
        asked = parsed(call.body)
        if call.method == "POST" and rest in {"batch/upsert", "batch/update", "batch/read"}:
            return self._batch(rest.removeprefix("batch/"), asked)
        if call.method == "POST" and rest == "gdpr-delete":
            gone = self.state.contacts.pop(str(asked.get("objectId")), None)
            if gone is not None:
                self.state.forgotten.add(gone["properties"]["email"])
            return Answer(204, b"")
        if call.method == "DELETE" and rest.isdecimal():
            self.state.contacts.pop(rest, None)
            return Answer(204, b"")
        return self._no(404, "OBJECT_NOT_FOUND", "resource not found")

    def _batch(self, verb: str, asked: Json) -> Answer:
        inputs = asked.get("inputs")
        if not isinstance(inputs, list) or not 0 < len(inputs) <= BATCH_MAX:
            raise _Batch(f"inputs must have 1 to {BATCH_MAX} rows")
        for one in inputs:
            for name in one.get("properties", {}):
                if name not in self.state.properties:
                    raise _Batch(f'Property "{name}" does not exist')
        results: list[Json] = []
        errors: list[Json] = []
        for one in inputs:
            try:
                results.append(self._row(verb, one) | _traced(one))
            except _Row as problem:
                context = {"ids": [one["id"]]} if problem.by_id else {}
                if "objectWriteTraceId" in one and not problem.by_id:
                    context = {"objectWriteTraceId": [one["objectWriteTraceId"]]}
                errors.append(
                    {
                        "status": "error",
                        "category": problem.category,
                        "message": str(problem),
                        "context": context,
                    }
                )
        at = self._at()
        told: Json = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
        if not errors:
            return as_json(told, indent=None)
        return as_json({**told, "numErrors": len(errors), "errors": errors}, 207, indent=None)

    def _row(self, verb: str, one: Json) -> Json:
        state, properties = self.state, dict(one.get("properties", {}))
        if verb == "read":
            found = self._of(str(one["id"]))
            if found is None:
                raise _Row("OBJECT_NOT_FOUND", "Could not get some CONTACT objects", by_id=True)
            return found
        email = str(properties.get("email", one["id"])).lower()
        if not _EMAIL.fullmatch(email):
            raise _Row("VALIDATION_ERROR", f"Property values were not valid: {email} is no address")
        if email in state.forgotten:
            raise _Row("VALIDATION_ERROR", "This contact was permanently deleted")
        properties["email"] = email
        known = state.contacts.get(str(one["id"])) if verb == "update" else self._of(email)
        if verb == "update":
            if known is None:
                raise _Row("OBJECT_NOT_FOUND", "Could not get some CONTACT objects", by_id=True)
            other = self._of(email)
            if other is not None and other["id"] != known["id"]:
                raise _Row("CONFLICT", f"Contact already exists. Existing ID: {other['id']}")
        is_new = known is None
        if known is None:
            state.number += 1
            known = {"id": str(state.number), "createdAt": self._at(), "archived": False, "properties": {}}
            state.contacts[known["id"]] = known
        known["properties"].update({name: str(value) for name, value in properties.items()})
        known["updatedAt"] = self._at()
        return known | ({"new": is_new} if verb == "upsert" else {})

    def _take_events(self, asked: Json, *, is_batch: bool) -> Answer:
        told = asked.get("inputs") if is_batch else [asked]
        if not isinstance(told, list) or not 0 < len(told) <= BATCH_MAX:
            raise _Batch(f"inputs must have 1 to {BATCH_MAX} rows")
        for one in told:
            name = str(one.get("eventName", "")).removeprefix(f"pe{self.state.portal}_")
            known = self.state.definitions.get(name)
            if known is None or not one["eventName"].startswith(f"pe{self.state.portal}_"):
                raise _Batch(f"No event definition {one.get('eventName')}")
            if unknown := set(one.get("properties", {})) - known:
                raise _Batch(f"Property {min(unknown)} does not exist for the event")
            if not one.get("email") and not one.get("objectId"):
                raise _Batch("one of email, objectId and utk is needed")
        self.state.events += copy.deepcopy(told)
        return Answer(204, b"")

    def _of(self, email: str) -> Json | None:
        every = self.state.contacts.values()
        return next((one for one in every if one["properties"].get("email") == email.lower()), None)

    def _limited(self) -> Answer | None:
        """Count a call, and refuse it when the portal has had too many."""
        state, now = self.state, self.timeline.now()
        day = now.date().isoformat()
        state.today = (day, state.today[1] + 1 if state.today[0] == day else 1)
        state.calls = [at for at in state.calls if at > now - TEN_SECONDS]
        if state.today[1] > state.day_max:
            return self._over("DAILY")
        if len(state.calls) >= state.ten_seconds_max:
            return self._over("TEN_SECONDLY_ROLLING")
        state.calls.append(now)
        return None

    def _over(self, policy: str) -> Answer:
        which = "daily" if policy == "DAILY" else "ten_secondly_rolling"
        document: dict[str, Any] = {
            "status": "error",
            "message": f"You have reached your {which} limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": self._correlation(),
            "policyName": policy,
        }
        return as_json(document, 429, indent=None)

    def _no(self, status: int, category: str, message: str) -> Answer:
        document = {
            "status": "error",
            "message": message,
            "correlationId": self._correlation(),
            "category": category,
        }
        return as_json(document, status, indent=None)

    def _correlation(self) -> str:
        return f"{self.chance.hex(8)}-{self.chance.hex(4)}-{self.chance.hex(4)}"

    def _at(self) -> str:
        return self.timeline.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _traced(one: Json) -> Json:
    return {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}
