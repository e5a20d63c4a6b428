"""Traps of Apple Wallet and Google Wallet."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "L1": "One installed pass may bring hundreds of device ids: idempotent, rate-limited, capped per pass.",
    "L2": "`passesUpdatedSince` that is empty, garbage or from the future stands for all passes.",
    "L3": "`lastUpdated` never goes back, even with two servers whose clocks differ.",
    "L4": "A wrong token is 401, and so is an unknown serial number.",
    "L5": "A balance that moves 20 times a minute makes one push a minute.",
    "L6": "A push token that is gone (410) is forgotten; the other phones keep theirs.",
    "L7": "An object that Google has already (409) is patched.",
    "L8": "With a certificate that ended passes are still served; the alarm rings 30 days before.",
    "L9": "A screenshot of the QR code is shown twice: the redemption's hold decides, not the pass.",
}
