"""Opens what a command works on, and closes it again whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nerava import migrations
from nerava.commands.errors import DatabaseUnusable, SchemaAhead, SchemaBehind, SettingsInvalid
from nerava.commands.options import DatabaseUrl
from nerava.kernel.errors import NeravaError
from nerava.settings import DatabaseSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.commands.output import Output
    from nerava.installation import Installation

__all__ = [
    "DatabaseUrl",
    "bring_up_to_date",
    "check_schema",
    "opened",
    "refusing",
    "settings_for",
    "unreadable",
]

BACKENDS: Final = {"sqlite", "postgresql"}


def settings_for(database: str | None) -> Settings:
    """Return the settings, with another database where one is named.

    Raises:
        SettingsInvalid: A setting cannot be read; it is named, its value is not.
        DatabaseUnusable: The address is none.
    """
    try:
        settings = Settings()
        if make_url(database or settings.database.url).get_backend_name() not in BACKENDS:
            message = "Nerava keeps its books in SQLite or PostgreSQL; the address names another database"
            raise DatabaseUnusable(message)
        if database is None:
            return settings
        chosen = DatabaseSettings(**{**settings.database.model_dump(), "url": database})
        return settings.model_copy(update={"database": chosen})
    except ValidationError as error:
        raise unreadable(error) from None
    except SettingsError as error:
        # It names the group and not what is in it.
        raise SettingsInvalid(f"{error}: it is not readable as JSON") from None
    except (ArgumentError, ValueError):
        message = "a database address looks like sqlite:///folder/file.sqlite3 or postgresql+psycopg://user@host/name"
        raise DatabaseUnusable(message) from None


def unreadable(error: ValidationError) -> SettingsInvalid:
    """Return the refusal for settings that cannot be read; it names them, and not their values."""
    names = ("NERAVA_" + "__".join(str(part) for part in one["loc"]).upper() for one in error.errors())
    return SettingsInvalid(f"cannot be read: {', '.join(names)}")


def check_schema(settings: Settings) -> None:
    """Make sure that the database has this version's schema; creates no file to find out.

    Raises:
        SchemaBehind: It has an older one, or none (503).
        SchemaAhead: It has one of a later version (503).
    """
    address = make_url(settings.database.url)
    wanted = migrations.head()
    if address.get_backend_name() == "sqlite" and address.database and not Path(address.database).exists():
        message = f"there is no database {address.database} yet"
        raise SchemaBehind(message)
    found = _known(migrations.current(settings.database.address))
    if found != wanted:
        message = f"this version needs schema {wanted}, the database " + (
            f"has {found}" if found else "is empty"
        )
        raise SchemaBehind(message)


def bring_up_to_date(settings: Settings) -> str | None:
    """Give the database this version's schema and return the one it had; None for an empty one.

    Raises:
        SchemaAhead: It has one of a later version; nothing was done (503).
    """
    before = _known(migrations.current(settings.database.address))
    migrations.upgrade(settings.database.address)
    return before


def _known(revision: str | None) -> str | None:
    if revision is not None and revision not in migrations.revisions():
        message = (
            f"it has schema {revision}, this version knows them up to {migrations.head()}; use a newer one"
        )
        raise SchemaAhead(message)
    return revision


@contextmanager
def refusing(out: Output) -> Iterator[None]:
    """Turn what the product refuses, and a database that cannot be used, into plain words and status 2."""
    try:
        yield
    except NeravaError as error:
        out.refuse(error)
    except SQLAlchemyError as error:
        origin = str(getattr(error, "orig", error)).strip().splitlines()[0]
        out.refuse(DatabaseUnusable(origin))
    except OSError as error:
        out.refuse(DatabaseUnusable(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")))


@contextmanager
def opened(
    out: Output, database: str | None, *, migrate: bool = False, erase_again: bool = True
) -> Iterator[Installation]:
    """Yield the installation at an address; with `migrate` its schema is brought up to date first.

    Whoever is on the list of erasures and is here again, as after a restore, is erased before that.

    Raises:
        SchemaBehind: The schema is older than this version.
        SchemaAhead: It is newer.
    """
    with refusing(out):
        settings = settings_for(database)
        if migrate:
            bring_up_to_date(settings)
        else:
            check_schema(settings)
        from nerava.installation import open_installation  # noqa: PLC0415 - the others need not wait for the whole product

        installation = open_installation(settings)
        try:
            if erase_again:
                installation.erasures.replay(installation.clock.now())
            yield installation
        finally:
            installation.close()
