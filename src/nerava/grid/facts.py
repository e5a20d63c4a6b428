"""What rules are told about the grid during one session: plain values, stored with the decision."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.grid.carbon import CarbonFacts, Signal
from nerava.grid.tariffs import TariffFacts, TariffName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PATIENCE: Final = timedelta(days=7)
"""How long after its end a session waits for settled values; after that it is decided by what is known."""


class GridWanted(NamedTuple):
    """What some campaigns ask about the grid."""

    signals: frozenset[Signal] = frozenset()
    tariffs: frozenset[TariffName] = frozenset()


class GridFacts(NamedTuple):
    """What is known of the grid for the time of one session, as far as it was asked."""

    carbon: Mapping[Signal, CarbonFacts] = {}
    tariffs: Mapping[TariffName, TariffFacts] = {}

    def waits_for(self, signals: Collection[Signal]) -> bool:
        """Return whether values that one of the signals still lacks may yet come."""
        return any(signal in self.carbon and not self.carbon[signal].is_final for signal in signals)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "carbon": {signal.value: one.document() for signal, one in self.carbon.items()},
            "tariffs": [[*name, one.document()] for name, one in self.tariffs.items()],
        }

    @classmethod
    def of_document(cls, stored: Mapping[str, Any]) -> GridFacts:
        """Return what `document` made."""
        carbon = {Signal(name): CarbonFacts.of_document(one) for name, one in stored["carbon"].items()}
        tariffs = {
            TariffName(utility, name): TariffFacts.of_document(spans)
            for utility, name, spans in stored["tariffs"]
        }
        return cls(carbon, tariffs)


NOT_ASKED: Final = GridFacts()
