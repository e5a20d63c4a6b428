"""Opens what a command works on, and closes it again whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nerava import migrations
from nerava.app import open_installation
from nerava.commands.errors import DatabaseUnusable, SchemaBehind, SettingsInvalid
from nerava.kernel.errors import NeravaError
from nerava.settings import DatabaseSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.app import Installation
    from nerava.commands.output import Output

DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Database address; default: NERAVA_DATABASE__URL."),
]


def settings_for(database: str | None) -> Settings:
    """Return the settings, with another database where one is named.

    Raises:
        SettingsInvalid: A setting cannot be read; it is named, its value is not.
        DatabaseUnusable: The address is none.
    """
    try:
        settings = Settings()
        if database is None:
            return settings
        make_url(database)
        chosen = DatabaseSettings(**{**settings.database.model_dump(), "url": database})
        return settings.model_copy(update={"database": chosen})
    except ValidationError as error:
        names = ", ".join(
            "NERAVA_" + "__".join(str(part) for part in one["loc"]).upper() for one in error.errors()
        )
        message = f"cannot be read: {names}"
        raise SettingsInvalid(message) from None
    except ArgumentError:
        message = "a database address looks like sqlite:///folder/file.sqlite3 or postgresql+psycopg://user@host/name"
        raise DatabaseUnusable(message) from None


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
def opened(out: Output, database: str | None, *, migrate: bool = False) -> Iterator[Installation]:
    """Yield the installation at an address; with `migrate` its schema is brought up to date first.

    Raises:
        SchemaBehind: The schema is not that of this version.
    """
    with refusing(out):
        settings = settings_for(database)
        if migrate:
            migrations.upgrade(settings.database.url)
        elif migrations.current(settings.database.url) != migrations.head():
            raise SchemaBehind
        installation = open_installation(settings)
        try:
            yield installation
        finally:
            installation.close()
