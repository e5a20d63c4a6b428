"""`nerava ledger` ends with 1 when the books were changed behind its back, and says which row."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.commands.conftest import Run


def tamper(url: str, *statements: str) -> None:
    """Switch the guards of the transfers off, as the owner of the database can, and change them."""
    engine = create_engine(url)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.begin())
        if engine.dialect.name == "sqlite":
            named = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_transfer'"
            for name in connection.execute(text(named)).scalars().all():
                connection.execute(text(f'DROP TRIGGER "{name}"'))
        else:
            connection.execute(text("ALTER TABLE ledger_transfer DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


NEWEST = "SELECT id FROM ledger_transfer ORDER BY id DESC LIMIT 1"
ONE_MORE = f"UPDATE ledger_transfer SET amount = amount + 1 WHERE id = ({NEWEST})"


@pytest.mark.parametrize("proof", ["audit", "verify"])
def test_a_changed_amount_ends_with_1_and_the_finding(run: Run, books: str, proof: str) -> None:
    command = ("ledger", proof, "--database", books)
    clean = run(*command)
    tamper(books, ONE_MORE)

    broken = run(*command, "--json")
    told = run(*command)

    assert clean.exit_code == 0
    assert broken.exit_code == told.exit_code == 1
    findings = json.loads(broken.stdout)["findings"]
    assert json.loads(broken.stdout)["clean"] is False
    assert findings
    assert "Broken" in told.stdout
    assert findings[0]["check"] in told.stdout


def test_an_anchor_of_other_books_is_a_finding(run: Run, books: str, tmp_path: Path) -> None:
    kept = tmp_path / "anchors.json"
    run("ledger", "seal", "--out", kept, "--database", books)
    [anchor] = json.loads(kept.read_text())
    kept.write_text(json.dumps([{**anchor, "hash": "0" * 64}]))

    told = run("ledger", "verify", "--anchor", kept, "--database", books)

    assert told.exit_code == 1
    assert "Broken" in told.stdout


def test_files_that_cannot_be_used_for_anchors_are_named(run: Run, books: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "such" / "anchors.json"
    other = tmp_path / "other.json"
    other.write_text('[{"lane": 1}]')

    written = run("ledger", "seal", "--out", nowhere, "--database", books)
    read = run("ledger", "verify", "--anchor", other, "--database", books)

    assert (written.exit_code, read.exit_code) == (2, 2)
    assert "anchors cannot be written" in " ".join(written.stderr.split())
    assert "holds no anchors" in " ".join(read.stderr.split())


def test_books_in_which_nothing_happened_say_that_there_is_nothing_to_seal(run: Run, url: str) -> None:
    assert run("migrate", "--database", url).exit_code == 0
    told = run("ledger", "seal", "--database", url)
    assert (told.exit_code, told.stdout.strip()) == (0, "Nothing was posted yet: there is nothing to seal")
    assert json.loads(run("ledger", "seal", "--database", url, "--json").stdout) == []


def test_a_statement_fits_a_screen_of_80_columns_with_its_amounts_whole(run: Run, books: str) -> None:
    shown = run("ledger", "statement", "nova:reserve", "--database", books).stdout
    statement = json.loads(run("ledger", "statement", "nova:reserve", "--database", books, "--json").stdout)

    newest = statement["transfers"][0]
    rows = [line.split() for line in shown.splitlines() if "session_reward," in line]
    assert max(map(len, shown.splitlines())) <= 80
    assert rows[0][0] == str(newest["sequence"])
    assert rows[0][-3:] == [f"{newest[name]:,}" for name in ("change", "posted", "available")]
