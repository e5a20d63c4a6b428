"""How long a call to another machine may take, and which of its failures are tried again."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

ATTEMPTS: Final = 3
BACKOFF_S: Final = 0.5
"""The first wait is random between 0 and this; each later one may be twice as long."""

BACKOFF_MAX_S: Final = 8.0
JOB_BACKOFF_MAX_S: Final = 60.0
"""Where nobody waits."""

ANSWER_BYTES_MAX: Final = 2 * 1_024 * 1_024


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What holds for one kind of call to one provider.

    Attributes:
        name: Provider and operation, with a space between, as metrics and logs say it.
        connect_s: To connect, TLS included.
        read_s: Between two pieces of the answer.
        total_s: For everything: all attempts, the waits between them, the last byte of the answer.
        attempts: How often it is tried at most.
        is_repeatable: Tried again although it may have been carried out: it reads, or carries a key.
        waits_when_told: A 429 is tried again when its `Retry-After` fits into what is left.
        bytes_max: Longer answers are not read to the end.
        gives_way: Held back while the provider fails or asked for a pause, and at once when too many calls
            are on their way. False for money, which has a queue of its own and waits there.
        backoff_max_s: The longest random wait between two attempts.
    """

    name: str
    connect_s: float
    read_s: float
    total_s: float
    attempts: int = ATTEMPTS
    is_repeatable: bool = True
    waits_when_told: bool = True
    bytes_max: int = ANSWER_BYTES_MAX
    gives_way: bool = True
    backoff_max_s: float = BACKOFF_MAX_S

    @property
    def provider(self) -> str:
        """The first word of the name."""
        return self.name.partition(" ")[0]

    @property
    def operation(self) -> str:
        """The rest of the name."""
        return self.name.partition(" ")[2]

    def tries_again(self, status: int) -> bool:
        """Return whether an answer with this status is worth another attempt; a 429 is another question."""
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
