"""`nerava audit` names the first bad row; `nerava switch` stops, and cannot start again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.commands.conftest import Run


@pytest.fixture
def told(run: Run, url: str) -> str:
    """Address of a database with three entries in the audit log, signed."""
    for name in ("earn", "redeem", "payout"):
        assert run("switch", "on", name, "--reason", "a drill", "--database", url).exit_code == 0
    assert run("audit", "anchor", "--database", url).exit_code == 0
    return url


def tamper(url: str, statement: str) -> None:
    """Change the audit log as the owner of the database can."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            named = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
            for name in connection.execute(text(named)).scalars().all():
                connection.execute(text(f'DROP TRIGGER "{name}"'))
        else:
            for table in ("audit_entry", "audit_block", "audit_anchor"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        connection.execute(text(statement))
    engine.dispose()


def test_a_whole_log_is_verified(run: Run, told: str) -> None:
    answer = run("audit", "verify", "--database", told, "--json")

    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert (document["clean"], document["height"], document["first"]) == (True, 3, None)


def test_a_changed_entry_ends_with_1_and_is_named(run: Run, told: str) -> None:
    tamper(told, "UPDATE audit_entry SET reason = 'none' WHERE object_id IN ('redeem', 'payout')")

    answer = run("audit", "verify", "--database", told, "--json")

    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert document["first"].startswith("block 2, entry ")
    assert document["first"] in run("audit", "verify", "--database", told).stdout.replace("\n", "")


def test_a_log_that_lost_everything_is_betrayed_by_an_anchor_from_outside(
    run: Run, told: str, tmp_path: Path
) -> None:
    kept = tmp_path / "anchors.json"
    assert run("audit", "anchor", "--out", kept, "--database", told).exit_code == 0
    for table in ("audit_anchor", "audit_block", "audit_unsealed", "audit_entry"):
        tamper(told, f"DELETE FROM {table}")

    assert run("audit", "verify", "--database", told).exit_code == 0
    answer = run("audit", "verify", "--anchor", kept, "--database", told, "--json")
    assert answer.exit_code == 1
    assert [one["check"] for one in json.loads(answer.stdout)["findings"]] == ["audit-tail-cut"]


@pytest.mark.parametrize(
    "content",
    ["", "{}", '[{"hour": "x"}]', '[{"hour": 1, "height": 1, "hash": "zz", "key_id": "", "signature": ""}]'],
)
def test_a_file_that_holds_no_anchors_is_refused(run: Run, told: str, tmp_path: Path, content: str) -> None:
    kept = tmp_path / "anchors.json"
    kept.write_text(content)

    answer = run("audit", "verify", "--anchor", kept, "--database", told)
    assert answer.exit_code == (0 if content == "{}" else 2)


def test_the_log_is_shown_with_its_reasons(run: Run, told: str) -> None:
    answer = run("audit", "show", "--action", "switch.on", "--limit", "2", "--database", told, "--json")

    found = json.loads(answer.stdout)
    assert [(one["object_id"], one["reason"]) for one in found] == [
        ("payout", "a drill"),
        ("redeem", "a drill"),
    ]
    assert found[0]["actor_id"].startswith("shell:")


def test_a_stop_is_listed_and_stops_the_replay(run: Run, told: str) -> None:
    listed = json.loads(run("switch", "list", "--database", told, "--json").stdout)
    assert [(one["name"], one["is_on"]) for one in listed] == [
        ("earn", True),
        ("payout", True),
        ("redeem", True),
    ]

    answer = run(
        "replay", "--dataset", "sample", "--limit", "5", "--campaigns", "3", "--database", told, "--json"
    )
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"] == "switched-off"


def test_a_switch_that_stops_nothing_is_refused(run: Run, told: str) -> None:
    answer = run("switch", "on", "everything", "--reason", "r", "--database", told, "--json")

    assert (answer.exit_code, json.loads(answer.stdout)["error"]) == (2, "unknown-switch")
