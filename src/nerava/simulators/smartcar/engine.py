"""The hosts of the simulated Smartcar, each below its own mount, over one state."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.keyless import Keyless
from nerava.simulators.smartcar import calls, pages
from nerava.simulators.smartcar.core import HOLDER, SmartcarCore
from nerava.simulators.smartcar.problems import OAuthProblem, SmartcarProblem, by_status, problem
from nerava.simulators.smartcar.signing import smartcar_signature
from nerava.simulators.wire import Answer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.simulators.wire import Call, Json

HOSTS: Final = ("vehicle", "iam", "connect", "mgmt", "v2")


class SmartcarHost(Keyless):
    """A `Provider`: one host. That of vehicles holds the state of all."""

    answer_limit_s = 15
    retry_gaps_s: tuple[int, ...] = (25, 50, 100)

    def __init__(self, core: SmartcarCore, host: str) -> None:
        self.name = f"smartcar-{host}"
        self._core = core
        self._host = host

    @property
    def state(self) -> Any:  # noqa: ANN401 - the provider's own
        """Everything that all hosts believe, at the one that holds it."""
        return self._core.state if self.name == HOLDER else None

    @state.setter
    def state(self, kept: Any) -> None:  # noqa: ANN401 - as above
        if self.name == HOLDER:
            self._core.state = kept

    def fresh(self) -> None:
        """Forget everything, once for all hosts."""
        if self.name == HOLDER:
            self._core.fresh()

    def answer(self, call: Call) -> Answer:
        """Carry out a call of this host."""
        if self._host == "connect":
            return pages.consent(self._core, call)
        handlers: dict[str, Callable[[SmartcarCore, Call], Json]] = {
            "vehicle": calls.third,
            "iam": calls.application_token,
            "mgmt": calls.subscriptions,
            "v2": calls.person_token if call.path == "/oauth/token" else calls.second,
        }
        try:
            return as_json(copy.deepcopy(handlers[self._host](self._core, call)), indent=None)
        except (SmartcarProblem, OAuthProblem) as refusal:
            return _refusal(refusal)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:
        """Answer with an error of this status in Smartcar's own words; `TYPE:CODE` names both."""
        if self._host in {"iam", "connect"} or call.path == "/oauth/token":
            return _refusal(OAuthProblem(code or "server_error", status))
        kind, _, word = (code or "").partition(":")
        return _refusal(problem(kind, word or None) if kind.isupper() and word else by_status(status, code))

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned."""
        self._core.due(action, subject)

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - neither is in it
        """Return the header that proves a webhook; Smartcar signs with one token."""
        return {"sc-signature": smartcar_signature(secrets[0], body)}

    def believes(self) -> Json:
        """Return people, cars and connections; no tokens."""
        if self.name != HOLDER:
            return {}
        state = self._core.state
        return copy.deepcopy(
            {
                "people": state.people,
                "cars": {vin: asdict(one) for vin, one in state.cars.items()},
                "connections": state.connections,
                "subscriptions": state.subscriptions,
                "renewals": state.renewals,
            }
        )


def hosts_of(core: SmartcarCore) -> tuple[SmartcarHost, ...]:
    """Return every host."""
    return tuple(SmartcarHost(core, host) for host in HOSTS)


def _refusal(refusal: SmartcarProblem | OAuthProblem) -> Answer:
    answer = as_json(refusal.as_document(), refusal.status, indent=None)
    wait_s = refusal.retry_after_s if isinstance(refusal, SmartcarProblem) else None
    if wait_s is not None:
        answer.headers["retry-after"] = str(wait_s)
    return answer
