"""Databases for every test: each one fresh, migrated once as a template, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from nerava import migrations
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.helpers.databases import DatabaseUrl, fresh_databases
from tests.helpers.thrift import leave_what_is_loaded_alone, one_event_loop, share_compiled_statements
from tests.helpers.town import Town, living_town
from tests.helpers.washing import Laundry

DIALECTS = ("sqlite", "postgresql")

share_compiled_statements()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms to `pytest -m chaos`, which `make chaos` runs.

    Of a test marked `in_turn`, the cases take turns on the two databases: each runs on one of them
    in the quick form, and on the other in the long one. So do tests through HTTP, whose statements
    the tests of each package run on both, unless they carry the mark `both`.
    """
    for item in items:
        if isinstance(item, pytest.Function) and not _is_its_turn(item):
            item.add_marker(pytest.mark.chaos)
    if "chaos" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("chaos")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("chaos")]


def _is_its_turn(item: pytest.Function) -> bool:
    if item.get_closest_marker("both") or not hasattr(item, "callspec"):
        return True
    if item.path.parent.name != "http" and item.get_closest_marker("in_turn") is None:
        return True
    dialect = next((one for one in item.callspec.params.values() if one in DIALECTS), None)
    case = f"{item.originalname} {item.callspec.id.replace(dialect or '', '', 1)}"
    return dialect in {None, DIALECTS[crc32(case.encode()) % 2]}


def pytest_collection_finish() -> None:
    """Let the tests begin with nothing in which garbage is looked for."""
    leave_what_is_loaded_alone()


@pytest.fixture(scope="session", autouse=True)
def event_loop_of_clients() -> Iterator[None]:
    """One event loop for the clients of all tests of this process."""
    with one_event_loop():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL server per test process; no fsync, because no test here cuts the power.

    It does not look after its tables by itself: whether it did so would depend on the time.
    """
    settings = {"max_connections": "200", "autovacuum": "off"}
    with EmbeddedPostgres(fsync=False, settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: EmbeddedPostgres) -> str:
    """Name of a migrated PostgreSQL database that tests clone."""
    postgres.create_database("template_nerava")
    migrations.upgrade(postgres.url("template_nerava"))
    return "template_nerava"


@pytest.fixture(scope="session")
def postgres_laundry(postgres: EmbeddedPostgres, postgres_template: str) -> Iterator[Laundry]:
    """PostgreSQL databases like the template, used again after they were washed."""
    laundry = Laundry(postgres, postgres_template)
    yield laundry
    laundry.close()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    """Return a context manager that makes a fresh migrated database of a dialect and yields its address."""
    return fresh_databases(request, tmp_path)


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, database_url: DatabaseUrl) -> Iterator[str]:
    """Address of a fresh migrated database; every test that asks for it runs on both engines."""
    with database_url(request.param) as address:
        yield address


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A fresh migrated database, on both engines."""
    opened = Database(url, EngineOptions(pool_size=80, pool_wait_ms=30_000, lock_timeout_ms=30_000))
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    """A ledger on the fresh database, with the house's clock."""
    opened = Ledger(database, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def town(database: Database) -> Iterator[Town]:
    """A small town at noon; its books are clean and its campaign adds up when the test is over."""
    with living_town(database) as town:
        yield town
