"""A place of its own, beside the real one, into which a backup is restored to see whether it could be."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy import make_url

from nerava.platform.db.engine import EngineOptions, is_sqlite, open_engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def place_for_drill(url: str, beside: Path) -> Iterator[str]:
    """Yield the address of an empty place on the engine of `url`, which is removed afterwards.

    On SQLite it is a file in a folder of its own in the folder `beside`; on PostgreSQL a database of
    its own on the same server, for which the role needs CREATEDB.

    Raises:
        sqlalchemy.exc.DBAPIError: The server refuses.
        OSError: The folder cannot be written.
    """
    if is_sqlite(url):
        with tempfile.TemporaryDirectory(dir=beside, prefix="drill-") as folder:
            yield f"sqlite:///{Path(folder) / 'drill.sqlite3'}"
        return
    name = f"nerava_drill_{secrets.token_hex(4)}"
    _order(url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _order(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _order(url: str, order: sql.Composed) -> None:
    engine = open_engine(url, EngineOptions(pool_size=1, statement_timeout_ms=0))
    try:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute(order)
    finally:
        engine.dispose()
