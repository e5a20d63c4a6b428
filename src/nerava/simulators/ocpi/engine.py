"""The simulated operators as a provider: versions, credentials, lists by page, tokens that they are told."""

from __future__ import annotations

import base64
import binascii
import copy
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Keyless
from nerava.simulators.ocpi import stays
from nerava.simulators.ocpi.charging import instant_text, location, meter_key_of, owner, record
from nerava.simulators.ocpi.state import OcpiState, Operator
from nerava.simulators.wire import Answer, ProviderSaysNo, as_json, parsed

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "cpo"
PAGE_MAX: Final = 50
OPERATORS: Final = (("1", "NL", "EXA", "2.2.1"), ("2", "DE", "SIM", "2.3.0"))
"""Number, country, party and version of those who are there from the beginning."""


class OcpiProblem(ProviderSaysNo):
    """How an operator says no: a status of HTTP, and OCPI's own."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def reason(self) -> str:
        """The words."""
        return str(self)


class OcpiEngine(Keyless):
    """A `Provider` that answers like the servers of several operators."""

    name = NAME
    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = ()

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self._chance = chance
        self.state = OcpiState()

    def fresh(self) -> None:
        """Forget everything; tokens and the meters' key are drawn from the seed."""
        chance, now = Chance(self._chance.seed), self.timeline.now()
        self.state = OcpiState(meter_key=meter_key_of(self._chance.seed))
        for number, country, party, version in OPERATORS:
            operator = Operator(number, country, party, version, f"sim-{chance.text(32)}")
            operator.objects["locations"]["L1"] = location(operator, "L1", now)
            self.state.operators[number] = operator

    def operator(self, number: str) -> Operator:
        """Return an operator."""
        if number not in self.state.operators:
            raise OcpiProblem(404, 2000, f"there is no operator {number}")
        return self.state.operators[number]

    def answer(self, call: Call) -> Answer:
        """Answer a call in OCPI's envelope."""
        try:
            _, number, *rest = call.path.split("/")
            operator = self._let_in(number, call)
            return self._carried_out(operator, call, rest)
        except OcpiProblem as problem:
            return self._envelope(None, problem.status, problem.code, problem.reason)

    def _let_in(self, number: str, call: Call) -> Operator:
        operator = self.operator(number)
        if operator.out:
            raise OcpiProblem(503, 3000, "down for maintenance")
        if presented(call.headers.get("authorization", ""), plain=operator.plain) != operator.token_in:
            raise OcpiProblem(401, 2001, "unknown token")
        return operator

    def _carried_out(self, operator: Operator, call: Call, rest: list[str]) -> Answer:
        base = f"{call.origin}/{operator.number}"
        match call.method, rest:
            case "GET", ["versions"]:
                return self._envelope([{"version": operator.version, "url": f"{base}/{operator.version}"}])
            case "GET", [operator.version]:
                return self._envelope(_details(operator, f"{base}/{operator.version}"))
            case _, [operator.version, "credentials"]:
                return self._credentials(operator, call, base)
            case "GET", [operator.version, module] if module in operator.objects:
                return self._list(operator, module, call, f"{base}/{operator.version}/{module}")
            case "GET", [operator.version, module, object_id] if module in operator.objects:
                return self._envelope(_existing(operator.objects[module], object_id))
            case (("PUT" | "PATCH" | "GET"), [operator.version, "tokens", _, _, uid]):
                return self._token(operator, call, uid)
        raise OcpiProblem(404, 2000, "there is nothing here")

    def _credentials(self, operator: Operator, call: Call, base: str) -> Answer:
        """Take and give credentials; the other side's versions are asked for when something is pushed."""
        is_registered = bool(operator.token_out)
        if call.method in {"POST", "PUT"}:
            if is_registered is (call.method == "POST"):
                raise OcpiProblem(405, 2000, "not in this state")
            told = parsed(call.body)
            operator.token_out, operator.versions_url = told["token"], told["url"]
            operator.peer.clear()
            operator.token_in = f"sim-{self._chance.text(32)}"
        elif call.method == "DELETE":
            operator.token_out = ""
            return self._envelope(None)
        return self._envelope(credentials(operator, base))

    def _list(self, operator: Operator, module: str, call: Call, url: str) -> Answer:
        if not operator.lists:
            raise OcpiProblem(404, 2000, "this operator only pushes")
        query = dict(parse_qsl(call.query))
        since, before = query.get("date_from", ""), query.get("date_to", "~")
        rows = [one for one in operator.objects[module].values() if since <= one["last_updated"] < before]
        rows.sort(key=lambda one: (one["last_updated"], one["id"]))
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", PAGE_MAX)), PAGE_MAX)
        answer = self._envelope(rows[offset : offset + limit])
        answer.headers.update({"x-total-count": str(len(rows)), "x-limit": str(PAGE_MAX)})
        if offset + limit < len(rows):
            following = urlencode({**query, "offset": offset + limit, "limit": limit})
            answer.headers["link"] = f'<{url}?{following}>; rel="next"'
        return answer

    def _token(self, operator: Operator, call: Call, uid: str) -> Answer:
        kind = dict(parse_qsl(call.query)).get("type", "RFID")
        name = f"{kind}/{uid}"
        if call.method == "GET":
            return self._envelope(_existing(operator.tokens, name))
        known = operator.tokens.get(name, {}) if call.method == "PATCH" else {}
        operator.tokens[name] = {**known, **parsed(call.body)}
        return self._envelope(None)

    def _envelope(self, data: Any, status: int = 200, code: int = 1000, message: str = "Success") -> Answer:  # noqa: ANN401 - any JSON
        body = {"data": copy.deepcopy(data), "status_code": code, "status_message": message}
        return as_json(body | {"timestamp": instant_text(self.timeline.now())}, status, indent=None)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all
        """Answer with an error of this status in OCPI's envelope."""
        return self._envelope(None, status, int(code or (3000 if status >= 500 else 2000)), "error")  # noqa: PLR2004 - HTTP's

    def plan(self, after: timedelta, action: str, operator: Operator, subject: str) -> None:
        """Put something that happens at an operator on the timeline."""
        self.timeline.plan(self.timeline.now() + after, NAME, action, f"{operator.number}:{subject}")

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned: cars come and leave, records are written or credited, outages end."""
        number, _, name = subject.partition(":")
        operator = self.operator(number)
        if action == "back":
            operator.out = False
            return
        stays.due(self, self._chance, action, operator, name)

    def bill(self, operator: Operator, session_id: str, **more: object) -> Json:
        """Write the record of a session that is over."""
        told = _existing(operator.objects["sessions"], session_id)
        operator.serial += 1
        made = record(operator, told, f"CDR-{operator.number}-{operator.serial}", self.timeline.now())
        made |= more
        if operator.credited_after is not None:
            self.plan(operator.credited_after, "credit", operator, made["id"])
        return self.happened(operator, "cdrs", made)

    def happened(self, operator: Operator, module: str, made: Json) -> Json:
        """Keep an object as it is now, and let it leave unless the operator is down or does not push."""
        if operator.zoneless:
            made = stays.without_zones(made)
        operator.objects[module][made["id"]] = made
        if operator.out or not operator.pushes:
            return made  # Nobody queues what does not leave now: whoever wants it later asks.
        place = "" if module == "cdrs" else f"/{operator.country}/{operator.party}/{made['id']}"
        method = "POST" if module == "cdrs" else "PUT"
        operator.outgoing.append(
            {"method": method, "module": module, "path": place, "body": copy.deepcopy(made)}
        )
        return made

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - tokens instead
        """Sign nothing: OCPI has tokens, and no webhooks."""
        return {}

    def believes(self) -> Json:
        """Return what the operators know; no tokens of connections."""
        return {
            one.number: copy.deepcopy(
                {
                    **owner(one),
                    "version": one.version,
                    "registered": bool(one.token_out),
                    "out": one.out,
                    "tokens": list(one.tokens.values()),
                    **one.objects,
                }
            )
            for one in self.state.operators.values()
        }


def credentials(operator: Operator, base: str) -> Json:
    """Return how to reach an operator."""
    role = {**owner(operator), "role": "CPO", "business_details": {"name": f"Simulated {operator.party}"}}
    return {"token": operator.token_in, "url": f"{base}/versions", "roles": [role]}


def presented(header: str, *, plain: bool) -> str:
    """Return the token of a header; an empty text where it is none."""
    found = re.fullmatch(r"Token\s+(\S+)", header)
    if found is None:
        return ""
    if plain:
        return found[1]
    try:
        return base64.b64decode(found[1], validate=True).decode().strip()
    except (binascii.Error, ValueError):
        return ""


def _details(operator: Operator, base: str) -> Json:
    modules = [("credentials", "RECEIVER"), ("credentials", "SENDER"), ("tokens", "RECEIVER")]
    if operator.lists:
        modules += [(module, "SENDER") for module in operator.objects]
    endpoints = [{"identifier": name, "role": role, "url": f"{base}/{name}"} for name, role in modules]
    return {"version": operator.version, "endpoints": endpoints}


def _existing(objects: dict[str, Json], object_id: str) -> Json:
    if object_id not in objects:
        raise OcpiProblem(404, 2000, f"there is no {object_id}")
    return objects[object_id]
