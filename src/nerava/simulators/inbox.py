"""A mailbox and a phone in one file: what would be sent to people, for whoever tries the product."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.kernel.outcomes import Ok

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nerava.identity.contacts import Channel
    from nerava.identity.messages import Outgoing
    from nerava.kernel.clock import Clock
    from nerava.kernel.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it arrived.

    Attributes:
        at: When, ISO 8601 in UTC.
        channel: `sms` or `email`.
    """

    at: str
    channel: str
    to: str
    text: str


class Inbox:
    """A `Messenger` that appends to a file of its owner only, one JSON text a line.

    All processes of an installation share the file; a line is written in one piece.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def send(self, channel: Channel, to: str, text: str) -> None:
        """Append a message."""
        received = {"at": self._clock.now().isoformat(), "channel": channel.value, "to": to, "text": text}
        line = json.dumps(received).encode() + b"\n"
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Append a message."""
        self.send(message.channel, message.to, message.text)
        return Ok("")

    def messages(self, to: str | None = None) -> Iterator[Received]:
        """Yield what arrived, oldest first; with `to` only what this phone or mailbox got."""
        if not self._file.exists():
            return
        for line in self._file.read_text("utf-8").splitlines():
            one = Received(**json.loads(line))
            if to is None or one.to == to:
                yield one
