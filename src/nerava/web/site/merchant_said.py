"""What pages of merchants and of tills say after something was done."""

from __future__ import annotations

from typing import Final

MERCHANT_SAID: Final[dict[str, str]] = {
    "capture-undone": "Undone. The Nova are the driver's again; put the amount on the bill again.",
    "shop-refunded": "Given back. The Nova are the driver's again.",
    "offer-drafted": "Saved as a draft. Nobody sees it before you publish it.",
    "offer-live": "Live. Drivers see it from now on.",
    "offer-paused": "Paused. No new codes are given; those that are open stay good until they expire.",
    "offer-ended": "Ended. Codes that are open stay good until they expire.",
    "codes-paused": "Paused. None of these codes can be claimed for now.",
    "codes-open": "These codes can be claimed again.",
    "codes-ended": "Ended. None of these codes can be claimed any more.",
    "place-added": "The place is added. Now add a till there.",
    "till-added": "The till is added. It takes codes from now on.",
    "till-closed": "Closed. It takes no more codes.",
}
"""By the word that the address carries."""
