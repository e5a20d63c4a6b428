"""The keys that sign access tokens: there, readable by nobody else, and of the only kind there is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nerava.identity.errors import SigningKeyUnsafe
from nerava.identity.keys import read_keys
from nerava.settings import TokenSettings
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from nerava.settings import Settings

FOLDER = "NERAVA_TOKENS__KEYS_DIRECTORY"


def signing_keys(settings: Settings) -> list[Finding]:
    """Find a missing, open, symmetric or nameless signing key.

    Outside production the first process makes the first key; production is given one, because a key
    made on a disk that goes away would sign everybody out at the next start.
    """
    try:
        keys = read_keys(settings.tokens.keys_directory)
    except SigningKeyUnsafe as error:
        return [Finding(FOLDER, error.detail)]
    except OSError as error:
        return [Finding(FOLDER, f"cannot be read: {error.strerror}")]
    if settings.is_strict and not keys:
        return [Finding(FOLDER, "holds no signing key; make one with `nerava keys new`")]
    if not keys and not _can_be_made_in(settings.tokens.keys_directory.absolute()):
        return [Finding(FOLDER, "holds no signing key, and none can be made there")]
    return []


def _can_be_made_in(folder: Path) -> bool:
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def issuer_is_named(settings: Settings) -> list[Finding]:
    """Find the example's issuer in production."""
    if settings.is_strict and settings.tokens.issuer == TokenSettings().issuer:
        return [Finding("NERAVA_TOKENS__ISSUER", "must name this installation")]
    return []
