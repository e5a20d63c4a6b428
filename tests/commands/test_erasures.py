"""A backup brings back nobody who was erased since, whichever process opens it first; on both databases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from nerava.platform.db import Database
from nerava.platform.db.backup import back_up, restore
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.commands.conftest import Run
from tests.http.conftest import House, opened_house
from tests.http.rows import rows_of
from tests.http.test_erasures import after, ask, rich

PROGRAMS = EmbeddedPostgres.bin("pg_dump").parent


@contextmanager
def empty_place(request: pytest.FixtureRequest, dialect: str, folder: Path) -> Iterator[str]:
    """Yield the address of a database that a backup can come back to."""
    if dialect == "sqlite":
        yield f"sqlite:///{folder / 'elsewhere.sqlite3'}"
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    name = f"elsewhere_{os.urandom(6).hex()}"
    server.create_database(name)
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)


@dataclass(frozen=True)
class Restored:
    """A database from before an erasure, and the settings of the installation that knows of it."""

    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process."""
        return {
            "NERAVA_ENV": "test",
            "NERAVA_DATABASE__URL": self.url,
            "NERAVA_TOKENS__KEYS_DIRECTORY": str(self.folder / "keys"),
        }

    def contacts(self) -> int:
        """Return how many contacts anybody has."""
        database = Database(self.url)
        try:
            query = text("SELECT count(*) FROM user_contact")
            return int(database.read(lambda session: session.scalar(query)) or 0)
        finally:
            database.close()


@pytest.fixture
def restored(house: House, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restored]:
    """Ann is copied, is erased, and comes back with the copy."""
    ann = rich(house)
    assert ask(ann, gives_up_points=True).status_code == 202
    clock = house.installation.clock
    back_up(house.installation.settings.database.url, tmp_path / "copy", clock=clock, programs=PROGRAMS)
    assert after(house, timedelta(days=4)) == 1
    assert rows_of(house)["user_contact"] == []
    dialect = "sqlite" if house.installation.database.is_sqlite else "postgresql"
    with empty_place(request, dialect, tmp_path) as url:
        restore(tmp_path / "copy", url, programs=PROGRAMS)
        back = Restored(url, tmp_path)
        assert back.contacts() == 1
        yield back


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[House]:
    """A fresh house, on both databases."""
    with opened_house(url, tmp_path) as opened:
        yield opened


@pytest.fixture
def run_there(run: Run, restored: Restored, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs `nerava` in the restored installation and returns what it printed."""
    for name, value in restored.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> str:
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


def test_the_list_can_be_replayed_by_hand(restored: Restored, run_there: Callable[..., str]) -> None:
    assert json.loads(run_there("erasures", "replay", "--json")) == {"erased_again": 1}
    assert restored.contacts() == 0
    assert json.loads(run_there("erasures", "replay", "--json")) == {"erased_again": 0}


@pytest.mark.parametrize("command", [("ledger", "audit"), ("switch", "list"), ("audit", "show")])
def test_a_command_erases_again_before_it_does_anything(
    restored: Restored, run_there: Callable[..., str], command: tuple[str, ...]
) -> None:
    run_there(*command, "--json")
    assert restored.contacts() == 0


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # Beside SQLite there is no worker.
def test_the_worker_erases_again_before_it_works(restored: Restored) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nerava", "work"],
        env=os.environ | restored.environment,
        cwd=restored.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        contacts = restored.contacts()
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "works in the background" in said, complaint
    assert contacts == 0
