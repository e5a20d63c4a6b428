"""What happens at simulated operators without a call: cars come and go, records are late, servers fail."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING

from nerava.simulators.errors import NotPossible
from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.ocpi import stays
from nerava.simulators.ocpi.charging import location, signed_values
from nerava.simulators.ocpi.engine import NAME, OcpiProblem, credentials
from nerava.simulators.ocpi.line import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from nerava.simulators.ocpi.engine import OcpiEngine
    from nerava.simulators.ocpi.state import Operator
    from nerava.simulators.wire import Json


class OcpiByHand(ByHand):
    """What a test or the demo holds of the simulated operators."""

    def __init__(self, ocpi: OcpiEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._ocpi = ocpi

    def invitation(self, number: str) -> str:
        """Return the token with which the other side may register at an operator."""
        with self.moment():
            return self._ocpi.operator(number).token_in

    @lets_happen
    def behave(self, /, number: str, **manners: bool) -> Json:
        """Let an operator push, list, be down (`out`), write tokens plainly, instants `zoneless`, or not."""
        operator = self._ocpi.operator(number)
        for name, value in manners.items():
            if name not in {"pushes", "lists", "out", "plain", "zoneless"}:
                raise OcpiProblem(404, 2000, f"nobody behaves {name}")
            setattr(operator, name, bool(value))
        return {"number": number, **manners}

    @lets_happen
    def go_out(self, /, number: str, seconds: int) -> Json:
        """Let an operator be down for some seconds; what happens meanwhile is pushed to nobody."""
        self._ocpi.operator(number).out = True
        due_at = self._ocpi.timeline.now() + timedelta(seconds=seconds)
        self._ocpi.timeline.plan(due_at, NAME, "back", number)
        return {"number": number, "until": due_at.isoformat()}

    @lets_happen
    def add_location(self, /, number: str, location_id: str, published: bool = True) -> Json:  # noqa: FBT001, FBT002 - JSON
        """Open a site."""
        operator = self._ocpi.operator(number)
        made = location(operator, location_id, self._ocpi.timeline.now(), published=published)
        self._ocpi.happened(operator, "locations", made)
        return made

    @lets_happen
    def plug_in(self, /, number: str, token: Json, place: str = "L1", at: str | None = None) -> Json:
        """Begin a session with a token, in the form in which OCPI tells it; `at` is now unless given."""
        return stays.come(self._ocpi, self._ocpi.operator(number), token, place, at)

    @lets_happen
    def unplug(
        self, /, number: str, session_id: str, kwh: float, at: str | None = None, record_after_s: int = 0
    ) -> Json:
        """End a session; its record follows after so many seconds, never when that is negative."""
        operator = self._ocpi.operator(number)
        told = stays.leave(self._ocpi, operator, session_id, kwh, at)
        if record_after_s >= 0:
            self._ocpi.plan(timedelta(seconds=record_after_s), "bill", operator, session_id)
        return told

    @lets_happen
    def bill(self, /, number: str, session_id: str, signed: bool = False) -> Json:  # noqa: FBT001, FBT002 - JSON
        """Write the record of a session now, with readings that its meter signed where that is wanted."""
        operator = self._ocpi.operator(number)
        told = operator.objects["sessions"][session_id]
        more = {"signed_data": signed_values(self._ocpi.state.meter_key, told)} if signed else {}
        return self._ocpi.bill(operator, session_id, **more)

    @lets_happen
    def credit(self, /, number: str, record_id: str) -> Json:
        """Take a record back: everything again, and only the cost negative."""
        return stays.credit(self._ocpi, self._ocpi.operator(number), record_id)

    @lets_happen
    def take_back(self, /, number: str, after_s: int | None) -> Json:
        """Let every record that is written from now on be taken back so many seconds later; None ends it."""
        after = None if after_s is None else timedelta(seconds=after_s)
        self._ocpi.operator(number).credited_after = after
        return {"number": number, "after_s": after_s}

    @lets_happen
    def live(self, /, number: str, days: int) -> Json:
        """Let everybody whose token an operator knows come and charge once a day, at hours of their own."""
        operator = self._ocpi.operator(number)
        for place, token in enumerate(operator.tokens):
            for day in range(days):
                after = timedelta(days=day, hours=1 + place * 5 % 20)
                self._ocpi.plan(after, "come", operator, token)
        return {"number": number, "people": len(operator.tokens), "days": days}

    def replay(self, number: str, token: Json, charges: Iterable[Json]) -> list[Json]:
        """Let recorded sessions happen (`started_at`, `ended_at`, `energy_kwh`), each with its record."""
        told = []
        for one in charges:
            begun = self.plug_in(number, token, at=one["started_at"])
            told.append(self.unplug(number, begun["id"], float(one["energy_kwh"]), at=one["ended_at"]))
        return told

    def register(self, number: str, versions_url: str, invitation: str, origin: str) -> str:
        """Register an operator at the other side, which asks for its versions meanwhile; return its token.

        `origin` is where the operators are: `simulators.url_of("cpo")`.

        Raises:
            NotPossible: The other side refuses, or does not speak the operator's version (409).
        """
        operator = self._copy(number)
        endpoints = self._endpoints(operator, versions_url, invitation)
        with self.moment():
            told = credentials(self._ocpi.operator(number), f"{origin}/{number}")
        at = endpoints["credentials/RECEIVER"]
        status, answer = ask("POST", at, invitation, told, plain=operator.plain)
        if status != 200 or answer.get("status_code") != 1000:  # noqa: PLR2004 - HTTP's and OCPI's success
            raise NotPossible(f"not registered: {status} {answer.get('status_message')}")
        with self.moment():
            kept = self._ocpi.operator(number)
            kept.token_out, kept.versions_url = answer["data"]["token"], versions_url
            kept.peer = endpoints
            return kept.token_out

    def push(self, number: str) -> list[tuple[str, int]]:
        """Send what has not left; return each message with HTTP's status. What fails is not sent again."""
        operator = self._copy(number)
        if operator.token_out and not operator.peer:
            operator.peer = self._endpoints(operator, operator.versions_url, operator.token_out)
        with self.moment():
            kept = self._ocpi.operator(number)
            kept.peer, leaving = operator.peer, kept.outgoing
            kept.outgoing = []
        sent = []
        for one in leaving:
            url = operator.peer[f"{one['module']}/RECEIVER"] + one["path"]
            status, _ = ask(one["method"], url, operator.token_out, one["body"], plain=operator.plain)
            sent.append((f"{one['method']} {one['module']}", status))
        return sent

    def _copy(self, number: str) -> Operator:
        with self.moment():
            return copy.deepcopy(self._ocpi.operator(number))

    @staticmethod
    def _endpoints(operator: Operator, versions_url: str, token: str) -> dict[str, str]:
        _, versions = ask("GET", versions_url, token, None, plain=operator.plain)
        offered = {one["version"]: one["url"] for one in versions.get("data") or []}
        if operator.version not in offered:
            raise NotPossible(f"nobody speaks {operator.version}")
        _, details = ask("GET", offered[operator.version], token, None, plain=operator.plain)
        return {f"{one['identifier']}/{one['role']}": one["url"] for one in details["data"]["endpoints"]}
