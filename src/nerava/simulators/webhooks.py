"""The webhooks of simulated providers: a queue on the simulated clock, and all that goes wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nerava.simulators.errors import NoSuchThing

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Json, Provider

TOO_OLD_S: Final = 301
"""One second more than the tolerance that Stripe's own library has."""
_SUCCESS: Final = range(200, 300)


class Manner(StrEnum):
    """How a webhook is signed and written."""

    AS_DOCUMENTED = "as_documented"
    BAD_SIGNATURE = "bad_signature"
    NO_SIGNATURE = "no_signature"
    OLD_TIMESTAMP = "old_timestamp"
    OTHER_SECRET = "other_secret"  # noqa: S105 - a word, and no secret
    TWO_SIGNATURES = "two_signatures"
    """The first one with a secret that is not ours, the second one right; as while a secret is rolled."""
    RESERIALISED = "reserialised"
    """The signed JSON written anew by somebody in between: the same facts in other bytes."""


class State(StrEnum):
    """What became of a delivery."""

    QUEUED = "queued"
    ON_ITS_WAY = "on_its_way"
    DELIVERED = "delivered"
    DROPPED = "dropped"
    GIVEN_UP = "given_up"


@dataclass(slots=True)
class Endpoint:
    """Somebody who wants to be told.

    Attributes:
        url: Where; None keeps everything in the queue, to be taken by hand.
        secrets: Signed with all of them; two while one is rolled.
        kinds: Which events; `*` means all.
        connect: Events of connected accounts instead of the provider's own account.
        thin: Events that say where to look, and not what is there.
        registered: The address as the provider knows it, where a proxy stands before the real one.
    """

    provider: str
    name: str
    url: str | None
    secrets: list[str]
    kinds: tuple[str, ...] = ("*",)
    connect: bool = False
    registered: str | None = None
    thin: bool = False

    def wants(self, kind: str) -> bool:
        """Say whether it asked for this kind of event."""
        return "*" in self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver.

    Attributes:
        status: What was answered; None when nothing was.
        took_ms: How long the answer took, on a real clock.
        error: Why there was no answer in time.
    """

    at: datetime
    status: int | None
    took_ms: int
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """The other side took it."""
        return self.error is None and self.status in _SUCCESS


@dataclass(slots=True)
class Delivery:
    """One event for one endpoint."""

    id: str
    number: int
    provider: str
    endpoint: str
    event_id: str
    kind: str
    body: bytes
    due_at: datetime
    manner: Manner = Manner.AS_DOCUMENTED
    state: State = State.QUEUED
    at_once: int = 1
    attempts: list[Attempt] = field(default_factory=list)

    def as_document(self) -> Json:
        """Return it as JSON."""
        return {
            "id": self.id,
            "provider": self.provider,
            "endpoint": self.endpoint,
            "event_id": self.event_id,
            "kind": self.kind,
            "due_at": self.due_at.isoformat(),
            "manner": self.manner.value,
            "state": self.state.value,
            "at_once": self.at_once,
            "attempts": [
                {"at": one.at.isoformat(), "status": one.status, "took_ms": one.took_ms, "error": one.error}
                for one in self.attempts
            ],
            "body": self.body.decode(),
        }


@dataclass(frozen=True, slots=True)
class Sending:
    """A webhook as it goes over the wire."""

    url: str | None
    headers: dict[str, str]
    body: bytes
    answer_limit_s: int


@dataclass(frozen=True, slots=True)
class Habits:
    """How often webhooks go wrong by themselves, each as a probability from 0 to 1.

    Attributes:
        late: Comes `late_s` seconds later, after its successors.
        shuffled: Comes at some instant within `shuffle_s` seconds.
        at_once: A duplicate comes at the same moment as the first one, not after it.
        manners: How often a webhook is signed or written in another manner.
    """

    duplicate: float = 0
    at_once: bool = False
    dropped: float = 0
    late: float = 0
    late_s: int = 3 * 24 * 3_600
    shuffled: float = 0
    shuffle_s: int = 60
    manners: dict[Manner, float] = field(default_factory=dict)


class WebhookQueue:
    """What is to be delivered and what was. Not safe for several threads: the world's lock is around it."""

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self._timeline = timeline
        self._chance = chance
        self.habits = Habits()
        self.endpoints: dict[str, Endpoint] = {}
        self.deliveries: dict[str, Delivery] = {}

    def clear(self) -> None:
        """Forget all events and endpoints, and behave again."""
        self.habits = Habits()
        self.endpoints.clear()
        self.deliveries.clear()

    def tell(self, endpoint: Endpoint, event_id: str, kind: str, body: bytes) -> None:
        """Queue an event for an endpoint, as the habits have it."""
        habits, chance, now = self.habits, self._chance, self._timeline.now()
        delay_s = habits.late_s if chance.happens(habits.late) else 0
        if chance.happens(habits.shuffled):
            delay_s += int(chance.between(0, habits.shuffle_s))
        told = self._add(endpoint, event_id, kind, body, now + timedelta(seconds=delay_s))
        told.manner = next(
            (manner for manner, often in habits.manners.items() if chance.happens(often)), told.manner
        )
        if chance.happens(habits.dropped):
            told.state = State.DROPPED
        elif chance.happens(habits.duplicate):
            self.duplicate(told.id, at_once=habits.at_once)

    def _add(self, endpoint: Endpoint, event_id: str, kind: str, body: bytes, due_at: datetime) -> Delivery:
        number = len(self.deliveries) + 1
        told = Delivery(
            f"whd_{number}", number, endpoint.provider, endpoint.name, event_id, kind, body, due_at
        )
        self.deliveries[told.id] = told
        return told

    def find(self, delivery_id: str) -> Delivery:
        """Return a delivery.

        Raises:
            NoSuchThing: There is none (404).
        """
        if delivery_id not in self.deliveries:
            raise NoSuchThing(f"there is no webhook {delivery_id}")
        return self.deliveries[delivery_id]

    def read(self, provider: str | None = None) -> list[Delivery]:
        """Return all deliveries, in the order in which they are or were due."""
        found = [one for one in self.deliveries.values() if provider is None or one.provider == provider]
        return sorted(found, key=lambda one: (one.due_at, one.number))

    def due(self) -> list[Delivery]:
        """Return the deliveries that are due now and have somewhere to go, in order."""
        ready = (one for one in self.deliveries.values() if self.is_due(one))
        return sorted(ready, key=lambda one: (one.due_at, one.number))

    def is_due(self, told: Delivery) -> bool:
        """Say whether a delivery is still in the queue, due, and has somewhere to go."""
        return (
            told.state is State.QUEUED
            and told.due_at <= self._timeline.now()
            and self.deliveries.get(told.id) is told
            and self.endpoints[told.endpoint].url is not None
        )

    def drop(self, delivery_id: str) -> Delivery:
        """Lose it for good."""
        found = self.find(delivery_id)
        found.state = State.DROPPED
        return found

    def delay(self, delivery_id: str, seconds: int) -> Delivery:
        """Deliver it later than it would have been; what was delivered is delivered once more then."""
        found = self.find(delivery_id)
        found.due_at = max(found.due_at, self._timeline.now()) + timedelta(seconds=seconds)
        found.state = State.QUEUED
        return found

    def duplicate(self, delivery_id: str, *, at_once: bool = False) -> Delivery:
        """Deliver it twice: one after the other, or both at the same moment."""
        first = self.find(delivery_id)
        if at_once and first.state is State.QUEUED:
            first.at_once += 1
            return first
        endpoint = self.endpoints[first.endpoint]
        due_at = max(first.due_at, self._timeline.now())
        return self._add(endpoint, first.event_id, first.kind, first.body, due_at)

    def shuffle(self) -> int:
        """Bring what is queued into another order; return how much it was."""
        queued = [one for one in self.read() if one.state is State.QUEUED]
        numbers = self._chance.shuffled([(one.due_at, one.number) for one in queued])
        for one, (due_at, number) in zip(queued, numbers, strict=True):
            one.due_at, one.number = due_at, number
        return len(queued)

    def sending(self, told: Delivery, provider: Provider) -> Sending:
        """Return a delivery as it goes over the wire now, signed in its manner."""
        endpoint, at_s = self.endpoints[told.endpoint], self._timeline.now_s()
        secrets, signed, sent = list(endpoint.secrets), told.body, told.body
        match told.manner:
            case Manner.BAD_SIGNATURE:
                signed = told.body + b" "
            case Manner.OLD_TIMESTAMP:
                at_s -= TOO_OLD_S
            case Manner.OTHER_SECRET:
                secrets = [self._secret_of_another(endpoint)]
            case Manner.TWO_SIGNATURES:
                secrets = [self._secret_of_another(endpoint), *secrets]
            case Manner.RESERIALISED:
                sent = json.dumps(json.loads(told.body), separators=(", ", ":")).encode()
            case _:
                pass
        headers = provider.sign(endpoint.registered or endpoint.url or "", signed, secrets, at_s)
        if told.manner is Manner.NO_SIGNATURE:
            headers = {}
        headers.setdefault("content-type", "application/json; charset=utf-8")
        return Sending(endpoint.url, headers, sent, provider.answer_limit_s)

    def _secret_of_another(self, endpoint: Endpoint) -> str:
        others = (one for one in self.endpoints.values() if one.provider == endpoint.provider)
        return next((one.secrets[0] for one in others if one is not endpoint), "secret-of-somebody-else")

    def record(self, told: Delivery, attempt: Attempt, gaps_s: tuple[int, ...]) -> None:
        """Note a try; after a failure plan the next one, until the provider's schedule is used up."""
        told.attempts.append(attempt)
        if told.state is State.DROPPED:
            return
        if attempt.succeeded:
            told.state = State.DELIVERED
        elif len(told.attempts) > len(gaps_s):
            told.state = State.GIVEN_UP
        elif told.state is not State.DELIVERED:
            told.state = State.QUEUED
            told.due_at = self._timeline.now() + timedelta(seconds=gaps_s[len(told.attempts) - 1])
