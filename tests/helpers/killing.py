"""A process that ends at one of the places that its work names."""

from __future__ import annotations

from nerava.payouts.interruptions import Interruptions


class Killed(BaseException):
    """The process ended here."""


class KilledAt(Interruptions):
    """Ends the process at one of the places it reaches; 0 is nowhere. Counts them all."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.places: list[str] = []

    def reach(self, place: str) -> None:
        self.places.append(place)
        if len(self.places) == self.number:
            raise Killed
