"""What is easily done wrong with the Alternative Fuel Stations API."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "N1": "Only status E is open; P is planned and T is out of order.",
    "N2": "`access_code` is in lower case; private sites stay private in whatever case it comes.",
    "N3": "A box is answered by a circle and clipped; a station on a corner is in one of the neighbouring boxes.",
    "N4": "A list without a limit is everything; we always say which limit and which state.",
    "N5": "A value out of range is 422 and no empty list, and is not tried again.",
    "N6": "The count of ELEC is of ports, that of its stations of sites, the total of all fuels.",
    "N7": "Connectors that a unit does not have are listed with a count of 0; a null power is unknown, not 0.",
    "N8": "Names of networks follow no rule, and new ones appear.",
    "N9": "After a 429 the key is not used for an hour, by no worker and after no restart.",
    "N10": "A 403 is for a person: one alarm, no second attempt, and what is known is still served.",
    "N11": "410, or the old host unreachable, means that the domain has moved; the message names the new one.",
    "N12": "The error of a CSV call is CSV.",
    "N13": "`expected_date` of a station that is out of order is the day it went down, not one on which it opens.",
    "N14": "`last_updated` may stand still: everything is loaded again every seven days all the same.",
    "N15": "A station may vanish between two pages; it is closed only when two full loads did not have it.",
}
