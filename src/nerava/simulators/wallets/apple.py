"""The simulated push service of Apple, and the phones that it reaches: api.push.apple.com."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Silent
from nerava.simulators.wallets.pages import phone_page
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wallets.phone import Phone
    from nerava.simulators.wire import Call, Json

NAME: Final = "apns"
_DEVICE: Final = re.compile(r"/3/device/([0-9a-f]+)")
_PHONE: Final = re.compile(r"/phones/([a-z0-9-]+)")
_REASONS: Final = {
    400: "BadRequest",
    403: "BadCertificate",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


@dataclass(slots=True)
class ApnsState:
    """Everything that it believes.

    Attributes:
        topics: The kinds of pass whose certificates it knows.
        phones: By a name for people.
        gone: Since when an address is nobody's, in milliseconds.
        pushes: Address, topic and time of each push, the oldest first.
    """

    pass_type: str = ""
    team: str = ""
    topics: set[str] = field(default_factory=set)
    phones: dict[str, Phone] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    pushes: list[Json] = field(default_factory=list)


class ApnsEngine(Silent):
    """A `Provider` that answers like Apple's push service, in HTTP/2 alone."""

    name = NAME

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self.chance = chance
        self.state = ApnsState()

    def fresh(self) -> None:
        """Forget everything; our kind of pass is drawn from the seed, not from anybody else's chance."""
        chance = Chance(self.chance.seed)
        pass_type = f"pass.example.nerava-{chance.hex(6)}"
        self.state = ApnsState(pass_type, chance.text(10).upper(), {pass_type})

    def answer(self, call: Call) -> Answer:
        """Take a push, or show a phone to a person."""
        page = _PHONE.fullmatch(call.path)
        if call.method == "GET" and page is not None and page[1] in self.state.phones:
            return phone_page(page[1], self.state.phones[page[1]])
        if call.http_version != "2":
            return Answer(505, b"")
        device = _DEVICE.fullmatch(call.path)
        if device is None:
            return self._no(404, "BadPath")
        if call.method != "POST":
            return self._no(405, "MethodNotAllowed")
        return self._push(device[1], call.headers.get("apns-topic"), call.body)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status."""
        return self._no(status, code or _REASONS.get(status, "InternalServerError"))

    def believes(self) -> Json:
        """Return pushes, and what is in the wallets; no secrets."""
        wallets = {
            name: [_without_secret(told) for told in phone.passes.values()]
            for name, phone in self.state.phones.items()
        }
        return copy.deepcopy({"pushes": self.state.pushes, "phones": wallets})

    def _push(self, token: str, topic: str | None, body: bytes) -> Answer:
        if topic is None:
            return self._no(400, "MissingTopic")
        if topic not in self.state.topics:
            return self._no(400, "TopicDisallowed")
        if body.strip() != b"{}":
            return self._no(400, "PayloadEmpty" if not body else "BadMessage")
        if token in self.state.gone:
            return as_json({"reason": "Unregistered", "timestamp": self.state.gone[token]}, 410, indent=None)
        if token not in {phone.push_token for phone in self.state.phones.values()}:
            return self._no(400, "BadDeviceToken")
        at = self.timeline.now().isoformat()
        self.state.pushes.append({"token": token, "topic": topic, "at": at})
        return Answer(200, b"", {"apns-id": self._id()})

    def _no(self, status: int, reason: str) -> Answer:
        answer = as_json({"reason": reason}, status, indent=None)
        return Answer(answer.status, answer.body, {**answer.headers, "apns-id": self._id()})

    def _id(self) -> str:
        parts = (8, 4, 4, 4, 12)
        return "-".join(self.chance.hex(length) for length in parts).upper()


def _without_secret(told: Json) -> Json:
    return {name: value for name, value in told.items() if name != "authenticationToken"}
