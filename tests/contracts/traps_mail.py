"""Traps of mail."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "E1": "A reply 4xx of SMTP means later and 5xx means never, the reverse of HTTP.",
    "E2": "A connection that is lost after DATA leaves it unknown whether the mail arrived.",
    "E3": "Accepted is not delivered.",
    "E4": "What is told of a mail comes in any order and twice: delivered after bounced is bounced.",
    "E7": "An address with a line break would write headers of its own.",
}
