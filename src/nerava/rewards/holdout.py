"""Who sees no reward of a campaign, so that what it changes can be measured; no I/O."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

HOLDOUT_PERCENT_MAX: Final = 50
REASON: Final = "campaign.holdout"
"""Code of the refusal of a session that would have earned."""

_PERSON: Final = b"nerava.holdout"
_DRAW_BITS: Final = 64


def in_holdout(campaign_id: UUID, driver_id: UUID, percent: int) -> bool:
    """Return whether a driver belongs to the share of a campaign that earns nothing.

    The draw is BLAKE2b with 64 bits of output and the personalisation `nerava.holdout` over the 16
    bytes of the campaign's id and then the 16 bytes of the driver's id, read as a big-endian whole
    number. Who draws less than `percent` hundredths of 2**64 is in. The number is compared and not
    reduced, so no remainder makes one driver likelier than another; a share is exact to 2**-64.

    Nothing is stored: the same driver is always on the same side of the same campaign, sides of two
    campaigns have nothing to do with each other, and a greater share holds everybody of a smaller one.
    """
    if percent <= 0:
        return False
    ids = campaign_id.bytes + driver_id.bytes
    draw = int.from_bytes(hashlib.blake2b(ids, digest_size=_DRAW_BITS // 8, person=_PERSON).digest())
    return draw * 100 < percent << _DRAW_BITS
