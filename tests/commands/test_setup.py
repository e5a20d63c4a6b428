"""What an operator does before the first start: the schema, the role, a signing key."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from nerava import migrations
from nerava.integrations.delimited_places import COLUMNS
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.commands.conftest import Run

ROLE = "setup_app"


def test_a_signing_key_is_made_each_time_it_is_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    monkeypatch.setenv("NERAVA_TOKENS__KEYS_DIRECTORY", str(folder))

    made = [json.loads(run("keys", "new", "--json").stdout)["kid"] for _ in range(2)]

    files = sorted(folder.iterdir())
    assert [json.loads(file.read_text())["kid"] for file in files] == made
    assert made[0] != made[1]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert "key" in run("keys", "new").stdout


def test_a_key_is_not_made_under_settings_that_cannot_be_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERAVA_TYPO", "1")

    done = run("keys", "new")

    assert done.exit_code == 2
    assert "NERAVA_TYPO" in done.stderr
    assert not (tmp_path / "var").exists()


def test_migrating_for_a_role_gives_it_what_it_needs_and_no_more(
    run: Run, database_url: Callable[[str], AbstractContextManager[str]], postgres: EmbeddedPostgres
) -> None:
    with database_url("postgresql") as url:
        for _ in range(2):
            done = run("migrate", "--role", ROLE, "--database", url)
            assert done.exit_code == 0, done.output
            assert f"schema {migrations.head()} already" in done.stdout
            assert f"role {ROLE} may use it" in " ".join(done.stdout.split())
        engine = create_engine(url.replace("//postgres@", f"//{ROLE}@"))
        with engine.connect() as connection:
            for table, right, held in [
                ("ledger_transfer", "INSERT", True),
                ("ledger_transfer", "UPDATE", False),
                ("audit_entry", "DELETE", False),
                ("campaign", "UPDATE", True),
            ]:
                found = connection.scalar(
                    text("SELECT has_table_privilege(:t, :r)"), {"t": table, "r": right}
                )
                assert found is held, (table, right)
        engine.dispose()


def test_sqlite_has_no_roles_to_grant_to(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "n.sqlite3"
    done = run("migrate", "--role", ROLE, "--database", f"sqlite:///{file}")

    assert done.exit_code == 2
    assert "SQLite knows no roles" in " ".join(done.stderr.split())
    assert not file.exists(), "a command that is refused has done nothing"


def test_the_help_of_importing_a_list_names_its_columns(run: Run) -> None:
    told = " ".join(run("import", "csv", "--help").stdout.replace("│", " ").split())

    assert all(name in told for name in COLUMNS)


def test_every_command_loads_and_says_what_it_does(run: Run) -> None:
    said = run("--help").stdout

    for word in ("ledger", "data", "bench", "keys", "demo", "replay", "serve", "work", "token", "migrate"):
        assert word in said
        told = run(word, "--help")
        assert told.exit_code == 0
        # A group by itself cannot be completed; the option would break the shell it is written into.
        assert "completion" not in told.stdout
    assert run("nonsense").exit_code == 2


def test_a_link_lets_the_first_of_ops_in_where_passkeys_have_a_domain(
    run: Run, books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("ops", "invite", "--contact", "boss@example.org", "--database", books)
    link = run(*asked).stdout.strip()
    assert re.fullmatch(r"http://localhost:8000/ops/invite#[A-Za-z0-9_-]{43}", link)
    shown = json.loads(
        run("audit", "show", "--action", "ops_invite.made", "--database", books, "--json").stdout
    )
    assert [one["reason"] for one in shown] == ["first of ops"]
    assert "boss" not in json.dumps(shown)

    wrong = run(*asked, "--role", "driver")
    assert (wrong.exit_code, "not one of ops" in wrong.stderr) == (2, True)
    monkeypatch.setenv("NERAVA_ENV", "production")
    off = run(*asked)
    assert (off.exit_code, off.stdout) == (2, "")
