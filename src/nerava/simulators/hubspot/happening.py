"""What people do in the simulated portal, and what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.simulators.moments import ByHand, lets_happen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.hubspot.engine import HubSpotEngine
    from nerava.simulators.wire import Json


class HubSpotByHand(ByHand):
    """What a test holds of the simulated HubSpot."""

    def __init__(self, hubspot: HubSpotEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._hubspot = hubspot

    @property
    def token(self) -> str:
        """The token of our private app."""
        return self._hubspot.state.token

    @property
    def portal(self) -> str:
        """The number of our portal."""
        return self._hubspot.state.portal

    def contacts(self) -> dict[str, Json]:
        """Return what is known of everybody, by address."""
        with self.moment():
            found = self._hubspot.believes()["contacts"]
        return {one["properties"]["email"]: one for one in found}

    def events(self) -> list[Json]:
        """Return what was told, the oldest first."""
        with self.moment():
            found: list[Json] = self._hubspot.believes()["events"]
        return found

    def forgotten(self) -> set[str]:
        """Return the addresses that were erased for good."""
        with self.moment():
            return set(self._hubspot.state.forgotten)

    @lets_happen
    def limit(self, ten_seconds: int = 100, day: int = 250_000) -> Json:
        """Let the portal take no more calls than these."""
        self._hubspot.state.ten_seconds_max, self._hubspot.state.day_max = ten_seconds, day
        return {"ten_seconds": ten_seconds, "day": day}

    @lets_happen
    def drop_property(self, name: str) -> Json:
        """Remove a property of contacts, or of an event as `event.property`."""
        event, _, property_name = name.rpartition(".")
        if event:
            self._hubspot.state.definitions[event].discard(property_name)
        else:
            self._hubspot.state.properties.discard(name)
        return {"name": name}

    @lets_happen
    def delete(self, contact_id: str) -> Json:
        """Remove a contact, as somebody at the portal may."""
        return {"removed": self._hubspot.state.contacts.pop(contact_id, None) is not None}
