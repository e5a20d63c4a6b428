"""With --json a command says one JSON document on standard output, and nothing else there."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from nerava import __version__, migrations
from nerava.kernel.ids import new_id
from tests.commands.conftest import Run


def document(run: Run, *arguments: str | Path, status: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_the_ledger_commands_speak_json(run: Run, books: str, tmp_path: Path) -> None:
    at = ("--database", books)
    kept = tmp_path / "anchors.json"

    [head] = document(run, "ledger", "seal", "--out", kept, *at)
    audit = document(run, "ledger", "audit", *at)
    verify = document(run, "ledger", "verify", "--anchor", kept, *at)
    statement = document(run, "ledger", "statement", "nova:reserve", "--limit", "2", *at)

    assert audit["clean"] is True
    assert len(audit["checks"]) > 10
    assert {found for _, found in audit["checks"]} == {0}
    assert verify["clean"] is True
    assert verify["heads"] == [head] == json.loads(kept.read_text())
    assert len(statement["transfers"]) == 2
    assert statement["posted"] == statement["transfers"][0]["posted"] > 0
    posted_at = statement["transfers"][0]["posted_at"]
    assert "T" in posted_at
    assert datetime.fromisoformat(posted_at).tzinfo is not None


def test_replay_speaks_json_and_a_second_run_has_nothing_new(run: Run, url: str) -> None:
    command = ("replay", "--dataset", "sample", "--limit", "30", "--campaigns", "3", "--database", url)

    first, again = document(run, *command), document(run, *command)

    assert first["ok"]
    assert (first["this_run"]["new"], first["this_run"]["known"]) == (30, 0)
    assert (again["this_run"]["new"], again["this_run"]["known"]) == (0, 30)
    assert again["points_granted"] == first["points_granted"] > 0


def test_migrate_and_version_speak_json(run: Run, tmp_path: Path) -> None:
    fresh = f"sqlite:///{tmp_path / 'made' / 'on the way' / 'n.sqlite3'}"
    head = migrations.head()

    assert len(document(run, "campaigns", "examples")) > 2
    assert document(run, "version") == {"version": __version__, "schema": head}
    assert document(run, "migrate", "--database", fresh) == {"before": None, "after": head}
    assert document(run, "migrate", "--database", fresh) == {"before": head, "after": head}


def test_token_speaks_json_and_without_it_prints_the_token_alone(run: Run, url: str) -> None:
    command = ("token", "driver", str(new_id()), "--database", url)

    made = document(run, *command)
    bare = run(*command).stdout

    assert (made["token_type"], made["expires_in"]) == ("Bearer", 600)
    assert made["access_token"].count(".") == 2
    assert bare.count(".") == 2
    assert len(bare.split()) == 1


def test_a_refusal_is_json_too(run: Run, books: str) -> None:
    refused = document(run, "ledger", "statement", "nova:nowhere", "--database", books, status=2)

    assert refused["error"] == "unknown-account"
    assert "nova:nowhere" in refused["detail"]
