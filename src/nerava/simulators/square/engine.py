"""The simulated Square as a provider: who may ask, and where a call goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.square.problems import SquareProblem, by_status
from nerava.simulators.square.signing import square_signature
from nerava.simulators.square.state import SquareState
from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Call, Json

API_VERSION: Final = "2026-09-16"


class SquareEngine:
    """A `Provider` that answers like connect.squareup.com."""

    name = "square"
    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = (60, 120, 240, 480, 960, 1_920, 3_840, 7_200, 14_400, 28_800, 28_800)
    """Growing gaps, 24 hours in all."""

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        self.timeline = timeline
        self.chance = chance
        self.webhooks = webhooks
        self._webhooks_to = webhooks_to
        self.state = SquareState("", "")

    def fresh(self) -> None:
        """Forget everything but where webhooks go."""
        self.state = SquareState(
            f"sandbox-sq0idb-{self.chance.text(22)}", f"sandbox-sq0csb-{self.chance.text(43)}"
        )
        key = self.chance.text(22)
        self.webhooks.endpoints["square"] = Endpoint(
            self.name, "square", self._webhooks_to.get("square"), [key]
        )

    def begin(self, call: Call) -> Answer | None:  # noqa: ARG002 - keys are in the body and looked at with it
        """Let every call in."""
        return None

    def answer(self, call: Call) -> Answer:
        """Carry out a call of the API, or show a page to a person."""
        return self.fail(call, 404, None)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in Square's own words."""
        return self._refusal(by_status(status, code))

    def _refusal(self, problem: SquareProblem) -> Answer:
        return as_json(problem.as_document(), problem.status)

    def keep(self, call: Call, answer: Answer) -> None:
        """Keep nothing: Square carries a write out again that ended with an error."""

    def abandon(self, call: Call) -> None:
        """Nothing was begun."""

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned."""

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - no time in it
        """Return the header that proves a webhook; Square signs with one key."""
        return {"x-square-hmacsha256-signature": square_signature(url, body, secrets[0])}

    def believes(self) -> Json:
        """Return what was sold and by whom."""
        return {}
