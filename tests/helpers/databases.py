"""Fresh migrated databases, copied from a template of each engine."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nerava.platform.db.embedded_postgres import EmbeddedPostgres

DatabaseUrl = Callable[[str], AbstractContextManager[str]]


def fresh_databases(request: pytest.FixtureRequest, folder: Path) -> DatabaseUrl:
    """Return a context manager that makes a fresh migrated database of a dialect and yields its address.

    Only the engine that is asked for is started. SQLite's files lie in `folder`.
    """

    @contextmanager
    def fresh(dialect: str) -> Iterator[str]:
        name = f"t_{uuid.uuid4().hex[:16]}"
        if dialect == "sqlite":
            path = folder / f"{name}.sqlite3"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            yield f"sqlite:///{path}"
            return
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        server.create_database(name, template=request.getfixturevalue("postgres_template"))
        try:
            yield server.url(name)
        finally:
            server.drop_database(name)

    return fresh
