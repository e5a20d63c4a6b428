"""Fresh migrated databases: copies of a template of each engine, and on PostgreSQL washed ones, too."""

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
    from tests.helpers.washing import Laundry

DatabaseUrl = Callable[[str], AbstractContextManager[str]]


def fresh_databases(request: pytest.FixtureRequest, folder: Path) -> DatabaseUrl:
    """Return a context manager that makes a fresh migrated database of a dialect and yields its address.

    Only the engine that is asked for is started. SQLite's files lie in `folder`.
    """

    @contextmanager
    def fresh(dialect: str) -> Iterator[str]:
        if dialect == "sqlite":
            path = folder / f"t_{uuid.uuid4().hex[:16]}.sqlite3"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            yield f"sqlite:///{path}"
            return
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        laundry: Laundry = request.getfixturevalue("postgres_laundry")
        with laundry.clean() as clean:
            yield server.url(clean)

    return fresh
