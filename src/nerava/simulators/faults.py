"""What can go wrong between us and a simulated provider, and which calls it happens to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.errors import NotPossible

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.wire import Call, Json


class Kind(StrEnum):
    """What goes wrong. `done` says whether the call is carried out all the same; default in brackets."""

    LATENCY = "latency"
    """The answer is late: `seconds`, `spread` of fixed, uniform (up to `seconds`), long_tailed [done]."""
    STATUS = "status"
    """An error of the provider's own: `status` (500), `code`, `stored` under the key [not done]."""
    RATE = "rate"
    """429: `retry_after` of seconds, date, garbage or absent; `seconds` (7), `code` [not done]."""
    BLACK_HOLE = "black_hole"
    """Accepts the call and never answers [not done]."""
    STALL = "stall"
    """Headers and half of the body, then silence [done]."""
    CUT = "cut"
    """The body ends too early; `how` of close, length (says a wrong Content-Length) or gzip [done]."""
    DRIP = "drip"
    """One byte every `seconds` (1) [done]."""
    ANSWER_LOST = "answer_lost"
    """It happens and nobody hears of it: `how` of close (the connection ends) or silence [done]."""
    WRONG_TYPE = "wrong_type"
    """Not what was asked for: `how` of login_page (HTML) or error_inside, both with 200 [not done]."""
    HUGE = "huge"
    """Far too much: `how` of sized (`bytes`, 100 MB), endless or gzip_bomb [done]."""
    DRIFT = "drift"
    """A `field` (dotted path) is changed: `how` of missing, null, type, unknown, extra [done]."""
    REDIRECT = "redirect"
    """302 to the address `to` (a link-local one) [not done]."""
    AUTH = "auth"
    """Our credentials are refused, as when a token has just expired [not done]."""
    SPLIT_BRAIN = "split_brain"
    """What is read is what was true before a write, for `seconds` after the write [done]."""


DONE: Final = frozenset(
    {
        Kind.LATENCY,
        Kind.STALL,
        Kind.CUT,
        Kind.DRIP,
        Kind.ANSWER_LOST,
        Kind.HUGE,
        Kind.DRIFT,
        Kind.SPLIT_BRAIN,
    }
)
"""The kinds that leave the effect of a call alone."""


@dataclass(slots=True)
class Fault:
    """A rule: which calls, and what happens to them. What is not said matches everything.

    Attributes:
        method: `GET`, `POST` …
        path: A pattern with `*` for the path below the provider's mount, `/v1/transfers*`.
        key: A pattern for the idempotency key of the call.
        nth: Only the n-th call that matches, counted from 1.
        every: Every n-th call that matches.
        probability: How often, drawn from the seed.
        times: How often at most.
        since: From this instant of the simulated world on.
        until: Until this instant.
        details: What else the kind takes; see `Kind`.
    """

    kind: Kind
    provider: str | None = None
    method: str | None = None
    path: str = "*"
    key: str | None = None
    nth: int | None = None
    every: int | None = None
    probability: float = 1
    times: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    seen: int = 0
    played: int = 0

    @property
    def done(self) -> bool:
        """Whether the call is carried out."""
        return bool(self.details.get("done", self.kind in DONE))

    def concerns(self, call: Call, now: datetime) -> bool:
        """Say whether a call is of those that this rule is about."""
        return (
            self.provider in {None, call.provider}
            and self.method in {None, call.method}
            and fnmatchcase(call.path, self.path)
            and (self.key is None or fnmatchcase(call.key or "", self.key))
            and (self.since is None or now >= self.since)
            and (self.until is None or now < self.until)
            and (self.times is None or self.played < self.times)
        )

    def strikes(self, chance: Chance) -> bool:
        """Count a call that the rule is about, and say whether this is the one."""
        self.seen += 1
        if self.nth is not None and self.seen != self.nth:
            return False
        if self.every is not None and self.seen % self.every:
            return False
        return chance.happens(self.probability)

    def as_document(self) -> Json:
        """Return it as JSON."""
        document = asdict(self)
        for name in ("since", "until"):
            document[name] = document[name] and document[name].isoformat()
        return {**document, "done": self.done}


class Faults:
    """The rules in force. The first one that strikes a call is played."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rules: list[Fault] = []
        self._number = 0

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force and give it an id."""
        self._number += 1
        fault.id = f"flt_{self._number}"
        self._rules.append(fault)
        return fault

    def remove(self, fault_id: str) -> None:
        """Take a rule out of force; nothing happens when it is not."""
        self._rules = [rule for rule in self._rules if rule.id != fault_id]

    def clear(self) -> None:
        """Heal everything."""
        self._rules.clear()

    def read(self) -> list[Fault]:
        """Return the rules in force."""
        return list(self._rules)

    def match(self, call: Call, now: datetime) -> Fault | None:
        """Return the fault that strikes a call, and count it."""
        for rule in self._rules:
            if rule.concerns(call, now) and rule.strikes(self._chance):
                rule.played += 1
                return rule
        return None

    def horizon_s(self) -> int:
        """Return for how long the past has to be remembered, because reads may show it."""
        asked = (int(rule.details.get("seconds", 5)) for rule in self._rules if rule.kind is Kind.SPLIT_BRAIN)
        return max(asked, default=0)


_NAMES: Final = frozenset(one.name for one in fields(Fault)) - {"id", "seen", "played", "details"}


def fault_from(document: Json) -> Fault:
    """Return the rule that a JSON object describes; members that are no condition are details of the kind.

    Raises:
        NotPossible: The kind is unknown, or an instant is none (409).
    """
    conditions = {name: value for name, value in document.items() if name in _NAMES}
    details = {name: value for name, value in document.items() if name not in _NAMES and name != "details"}
    try:
        conditions["kind"] = Kind(document.get("kind", ""))
        for name in ("since", "until"):
            if conditions.get(name):
                conditions[name] = datetime.fromisoformat(conditions[name])
    except ValueError as error:
        raise NotPossible(str(error)) from None
    return Fault(**conditions, details={**document.get("details", {}), **details})
