"""What happens to phones without a call: they say STOP, or are switched off for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.simulators.moments import ByHand, lets_happen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.twilio.engine import TwilioEngine
    from nerava.simulators.twilio.verify import VerifyEngine
    from nerava.simulators.wire import Json


class TwilioByHand(ByHand):
    """What a test holds of the simulated Twilio."""

    def __init__(
        self, twilio: TwilioEngine, verify: VerifyEngine, moment: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(moment)
        self._twilio = twilio
        self._verify = verify

    @property
    def service(self) -> str:
        """Our service at Verify."""
        return self._verify.state.service

    def code_of(self, number: str) -> str:
        """Return the code that a phone was sent last and that can still be checked."""
        with self.moment():
            return self._verify.state.open[number].code

    @property
    def account(self) -> str:
        """Our account."""
        return self._twilio.state.account

    @property
    def login(self) -> tuple[str, str]:
        """Our API key and its secret."""
        return self._twilio.state.key, self._twilio.state.secret

    @property
    def token(self) -> str:
        """What callbacks are signed with."""
        return self._twilio.state.token

    def messages(self) -> list[Json]:
        """Return what was sent, the oldest first."""
        with self.moment():
            found: list[Json] = self._twilio.believes()["messages"]
        return found

    @lets_happen
    def stop(self, number: str) -> Json:
        """Let a phone say STOP."""
        self._twilio.state.stopped.add(number)
        return {"number": number}

    @lets_happen
    def cut_off(self, number: str, error: str = "30005") -> Json:
        """Let nothing arrive at a number any more."""
        self._twilio.state.dead[number] = error
        return {"number": number, "error": error}

    @lets_happen
    def tie_down(self, number: str) -> Json:
        """Make a number that of a landline, which takes no SMS."""
        self._verify.state.landlines.add(number)
        return {"number": number}
