"""The simulated Verify API as a provider: one service that makes codes, counts checks, and forgets."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from nerava.simulators.twilio.engine import WORDS, knows, refusal
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.twilio.engine import TwilioEngine
    from nerava.simulators.wire import Call, Json

NAME: Final = "twilio-verify"
LIFE: Final = timedelta(minutes=10)
CHECKS_MAX: Final = 5
SENDS_MAX: Final = 5
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_PATH: Final = re.compile(r"/v2/Services/(VA\w+)/(Verifications|VerificationCheck)")


@dataclass(slots=True)
class Verification:
    """A code on its way, or one that was not used yet."""

    sid: str
    to: str
    code: str
    since: datetime
    checks: int = 0
    sends: int = 1


@dataclass(slots=True)
class VerifyState:
    """Everything that it believes: by number, what can still be checked."""

    service: str = ""
    open: dict[str, Verification] = field(default_factory=dict)
    started: int = 0
    landlines: set[str] = field(default_factory=set)


class VerifyEngine:
    """A `Provider` that answers like verify.twilio.com; the account and the phones are those of Messaging."""

    name = NAME
    answer_limit_s = 15
    retry_gaps_s: tuple[int, ...] = ()

    def __init__(self, timeline: Timeline, chance: Chance, twilio: TwilioEngine) -> None:
        self.timeline = timeline
        self.chance = chance
        self._twilio = twilio
        self.state = VerifyState()

    def fresh(self) -> None:
        """Forget everything; the service is drawn anew from the seed."""
        chance = type(self.chance)(self.chance.seed + 1)
        self.state = VerifyState(f"VA{chance.hex(32)}")

    def begin(self, call: Call) -> Answer | None:  # noqa: ARG002 - nothing repeats by a key
        """Let every call in."""
        return None

    def answer(self, call: Call) -> Answer:
        """Carry out a call of the API."""
        if not knows(self._twilio.state, call.headers.get("authorization", "")):
            return refusal(401, *WORDS[401])
        found = _PATH.fullmatch(call.path)
        if found is None or found[1] != self.state.service or call.method != "POST":
            return refusal(404, *WORDS[404])
        form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        to = form.get("To", "")
        if not _NUMBER.fullmatch(to):
            return refusal(400, 60200, "Invalid parameter `To`")
        known = self.state.open.get(to)
        if known is not None and self.timeline.now() >= known.since + LIFE:
            del self.state.open[to]
            known = None
        return self._start(to, known) if found[2] == "Verifications" else self._check(form, known)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in Twilio's own words."""
        number, said = WORDS.get(status, (status, "Error"))
        return refusal(status, int(code) if code and code.isdecimal() else number, said)

    def keep(self, call: Call, answer: Answer) -> None:
        """Keep nothing: there are no keys."""

    def abandon(self, call: Call) -> None:
        """Free nothing."""

    def due(self, action: str, subject: str) -> None:
        """Nothing was planned."""

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - tells nobody
        """Prove nothing."""
        return {}

    def believes(self) -> Json:
        """Return what can be checked, without the codes."""
        return {
            "started": self.state.started,
            "open": {
                to: {"sid": one.sid, "checks": one.checks, "sends": one.sends}
                for to, one in self.state.open.items()
            },
        }

    def _start(self, to: str, known: Verification | None) -> Answer:
        if to in self.state.landlines:
            return refusal(400, 60205, "SMS is not supported by landline phone number")
        if known is not None and known.sends >= SENDS_MAX:
            return refusal(429, 60203, "Max send attempts reached")
        if known is None:
            code = f"{int(self.chance.hex(8), 16) % 1_000_000:06d}"
            known = Verification(f"VE{self.chance.hex(32)}", to, code, self.timeline.now())
            self.state.open[to] = known
        else:
            known.sends += 1
        self.state.started += 1
        self._twilio.put(to, f"Your Nerava verification code is: {known.code}")
        attempts = [{"channel": "sms", "attempt_sid": f"VL{self.chance.hex(32)}"}]
        return self._told(known, "pending", 201, send_code_attempts=attempts)

    def _check(self, form: dict[str, str], known: Verification | None) -> Answer:
        if known is None:
            return refusal(404, *WORDS[404])
        if known.checks >= CHECKS_MAX:
            return refusal(429, 60202, "Max check attempts reached")
        known.checks += 1
        if form.get("Code") != known.code:
            return self._told(known, "pending", 200)
        del self.state.open[known.to]
        return self._told(known, "approved", 200)

    def _told(self, known: Verification, status: str, code: int, **more: object) -> Answer:
        at = self.timeline.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {
            "sid": known.sid,
            "service_sid": self.state.service,
            "account_sid": self._twilio.state.account,
            "to": known.to,
            "channel": "sms",
            "status": status,
            "valid": status == "approved",
            "date_created": at,
            "date_updated": at,
            **more,
        }
        return as_json(copy.deepcopy(document), code, indent=None)
