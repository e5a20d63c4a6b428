"""Houses whose pages are looked at."""

from __future__ import annotations

from tests.http.conftest import house, sqlite_house

__all__ = ["house", "sqlite_house"]
