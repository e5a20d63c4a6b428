"""Nerava rewards EV charging sessions with points that are backed by cash."""

from typing import Final

__version__: Final = "0.1.0"
