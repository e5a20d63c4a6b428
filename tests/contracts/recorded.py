"""Recorded answers of providers, where they are at hand; they are never a part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("NERAVA_FIXTURES") or Path(__file__).parents[3] / "shared" / "fixtures")


def recorded(name: str) -> str:
    """Return a recorded answer, or skip the test that wants it."""
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"no recorded answers beside this checkout ({name})")
    return file.read_text("utf-8")
