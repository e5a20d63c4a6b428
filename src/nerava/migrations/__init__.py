"""The schema, step by step: dated, linear, the same on both databases."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import URL

# What only asks for the newest revision must not wait a second for Alembic to load.
# ruff: noqa: PLC0415

_HERE: Final = Path(__file__).parent
_REVISION: Final = re.compile(r'^(revision|down_revision)\b[^=\n]*= (?:"(\w+)"|None)$', re.MULTILINE)


def config(url: str | URL) -> Config:
    """Return Alembic's configuration for the database at this address."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_HERE))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Bring the schema up to a revision. Repeats safely; two at once wait for each other."""
    from alembic import command

    command.upgrade(config(url), revision)


def downgrade(url: str | URL, revision: str) -> None:
    """Take the schema back to a revision, or to nothing with `base`."""
    from alembic import command

    command.downgrade(config(url), revision)


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision this code knows, oldest first, read from the steps without running them."""
    after: dict[str | None, str] = {}
    for step in sorted((_HERE / "versions").glob("*.py")):
        said = {key: value or None for key, value in _REVISION.findall(step.read_text("utf-8"))}
        revision, before = said.get("revision"), said.get("down_revision")
        if revision is None or "down_revision" not in said or before in after:
            message = f"{step.name} does not continue the one line of steps"
            raise AssertionError(message)
        after[before] = revision
    line: list[str] = []
    while (following := after.get(line[-1] if line else None)) is not None:
        line.append(following)
    if len(line) != len(after):
        message = "the steps are not one line from the empty schema on"
        raise AssertionError(message)
    return tuple(line)


def head() -> str:
    """Return the revision that this code wants."""
    return revisions()[-1]


def current(url: str | URL) -> str | None:
    """Return the revision that the database has; None for an empty one."""
    from alembic.runtime.migration import MigrationContext

    from nerava.platform.db.engine import EngineOptions, open_engine

    engine = open_engine(url, EngineOptions(pool_size=1))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
