"""Traps of OpenStreetMap extracts."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "O1": "Extracts cut ways at the border; a way keeps the parts that are there.",
    "O2": "The foot graph has islands; a way is only walked inside of one part, else it is an estimate.",
    "O3": "The same place is mapped twice; same name and category within 25 m are one, with both ids.",
    "O4": "Names differ only by case.",
    "O5": "Charging stations have no plug, operator or capacity, and approximate positions below ground.",
    "O6": "Opening hours that cannot be parsed are unknown, not closed.",
    "O7": "The sea is a coastline and not an area.",
    "O8": "Vacant shops, shops of no kind and vending machines are no places to walk to.",
    "O9": "An entrance of a building is not a building.",
}
