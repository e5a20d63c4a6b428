"""The schema, step by step: dated, linear, the same on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from nerava.platform.db.engine import EngineOptions, open_engine

if TYPE_CHECKING:
    from sqlalchemy import URL

_HERE: Final = Path(__file__).parent


def config(url: str | URL) -> Config:
    """Return Alembic's configuration for the database at this address."""
    settings = Config()
    settings.set_main_option("script_location", str(_HERE))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Bring the schema up to a revision. Repeats safely; two at once wait for each other."""
    command.upgrade(config(url), revision)


def downgrade(url: str | URL, revision: str) -> None:
    """Take the schema back to a revision, or to nothing with `base`."""
    command.downgrade(config(url), revision)


def head() -> str | None:
    """Return the revision that this code wants."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def current(url: str | URL) -> str | None:
    """Return the revision that the database has; None for an empty one."""
    engine = open_engine(url, EngineOptions(pool_size=1))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
