"""What becomes of a call to the outside world: five answers, of which one is `Unknown`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The other side did it, or told it, and `value` is what it said."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Refused:
    """It was definitely not done, and asking again would be refused again.

    Attributes:
        code: The other side's word for the reason, or ours where it never got there.
        message: For people who look into the case; never a secret.
    """

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It was definitely not done, and may be asked again, not before `not_before` (aware UTC) if given."""

    code: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """It was definitely not done, because of our key, our address or our account; a person must look."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether it was done: the answer was lost, late or unreadable. Only reading tells."""

    code: str


Outcome: TypeAlias = Ok[T_co] | Refused | RetryLater | Misconfigured | Unknown
"""The result of a call to the outside world. Money acts on `Ok` and `Refused` alone."""
