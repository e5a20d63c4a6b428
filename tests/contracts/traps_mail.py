"""Traps of mail."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "E1": "A reply 4xx of SMTP means later and 5xx means never, the reverse of HTTP.",
    "E2": "A connection that is lost after DATA leaves it unknown whether the mail arrived.",
    "E3": "Accepted is not delivered.",
    "E4": "What is told of a mail comes in any order and twice: delivered after bounced is bounced.",
    "E5": "A signature covers the raw bytes; its key is told as base64 without a frame.",
    "E6": "A signed timestamp that is older than five minutes is ours to refuse.",
    "E7": "An address with a line break would write headers of its own.",
    "E8": "A subscription is confirmed for our own topic alone, and at no address that a message names.",
}
