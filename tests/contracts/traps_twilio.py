"""Traps of Twilio."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "V1": "A wrong code is HTTP 200, with another status inside.",
    "V2": "404 at a check means that the code was used or is too old; it says nothing about who is known.",
    "V3": "Of the errors with status 429 only 20429 may be sent again.",
    "V4": "A send that times out may have arrived: it is not sent a second time.",
    "V5": "What became of a message may be told before the answer to sending it.",
    "V6": "A signature covers fields that repeat, and an address with or without its port.",
    "V7": "Ten thousand starts to one prefix are stopped before Twilio is called.",
    "V8": "A number that is somebody else's by now opens no wallet on a new device by a code alone.",
}
