"""What is easily done wrong with grid carbon and tariffs."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "G1": "Pounds per MWh, kilograms per kWh and grams per kWh differ by a factor of 453.6 or 1,000.",
    "G2": "Marginal and average are different things and are never mixed.",
    "G3": "In local schedules one hour of the year happens twice, and one is missing.",
    "G4": "A forecast earns nothing; a settled value that is corrected is posted as a difference.",
    "G5": "A token may end inside a paged read.",
    "G6": "A tariff may begin tomorrow, overlap with another, or have ended.",
    "G7": "A series may have a gap: no bonus, and it is told as not known.",
    "G8": "At a border the region is kept with the session.",
    "G9": "A key in an address is in no log, no trace and no error report.",
}
