"""Codes that somebody else makes, sends and compares: the guesses are counted here all the same."""

from __future__ import annotations

import secrets as csprng
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from nerava.identity.one_time import KeptCode
from nerava.kernel.errors import NeravaError
from nerava.kernel.outcomes import Ok, Refused

if TYPE_CHECKING:
    from nerava.kernel.outcomes import Outcome

SENT: Final = "elsewhere"
NEVER_SENT: Final = "elsewhere-muted"
"""What stands in the place of a pepper's name where we know nothing of the code."""

_MAC_BYTES: Final = 32


class CodeKeeper(Protocol):
    """Compares codes that it made and sent itself."""

    def check(self, to: str, code: str) -> Outcome[bool]:
        """Say whether this is the code that was sent there, within seconds.

        `Refused`: no guess helps there any more; the code was used, is too old, or never was.
        """


class CodeUnchecked(NeravaError):
    """Whoever keeps the code could not be asked; the guess is used up, and another one may be made."""

    code = "code-unchecked"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The code could not be checked"
    retry_after_s = 5


def kept_elsewhere(*, is_muted: bool) -> KeptCode:
    """Return what is kept of a code that we do not know: nothing, in the form of something."""
    return KeptCode(NEVER_SENT if is_muted else SENT, csprng.token_bytes(_MAC_BYTES))


def is_elsewhere(kept: KeptCode) -> bool:
    """Return whether somebody else keeps the code."""
    return kept.pepper_id in {SENT, NEVER_SENT}


def is_right(keeper: CodeKeeper, kept: KeptCode, to: str, code: str) -> bool:
    """Ask whoever keeps the code. Takes as long, and says the same, where none was ever sent.

    A code that is used up is wrong like any other: that it was right once is nobody's business.

    Raises:
        CodeUnchecked: There was no answer (503).
    """
    outcome = keeper.check(to, code)
    if isinstance(outcome, Ok):
        return outcome.value and kept.pepper_id == SENT
    if isinstance(outcome, Refused):
        return False
    raise CodeUnchecked
