"""The places between two steps of a payout, by name, where a process may end."""

from __future__ import annotations


class Interruptions:
    """Is told of every such place. Tests end the process there; otherwise nothing happens."""

    def reach(self, place: str) -> None:
        """Go on."""
