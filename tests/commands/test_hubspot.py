"""`nerava hubspot` counts who is in the records, and gives what was refused another chance."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import create_engine, text

from nerava.kernel.ids import new_id
from tests.commands.conftest import Run

ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
COLUMNS = "(user_id, state, for_good, attempts, trouble, next_at, fence, since)"


@pytest.fixture
def at(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a database in which one person is kept, and one was refused."""
    monkeypatch.setenv("NERAVA_HUBSPOT__MODE", "live")
    monkeypatch.setenv("NERAVA_HUBSPOT__TOKEN", "pat-eu1-0000")
    monkeypatch.setenv("NERAVA_HUBSPOT__PORTAL", "1234567")
    engine = create_engine(url)
    with engine.begin() as connection:
        for state, trouble in (("kept", None), ("parked", "validation-error")):
            row = {
                "id": str(new_id()),
                "state": state,
                "trouble": trouble,
                "since": "2026-11-02 12:00:00.000000",
            }
            values = "(:id, :state, 0, 1, :trouble, NULL, 1, :since)"
            connection.execute(text(f"INSERT INTO crm_contact {COLUMNS} VALUES {values}"), row)
    engine.dispose()
    return url


@ON_SQLITE
def test_what_was_refused_waits_again_and_who_never_agreed_leaves(run: Run, at: str) -> None:
    def told(command: str) -> object:
        answer = run("hubspot", command, "--json", "--database", at)
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    assert told("status") == {"people": {"kept": 1, "parked": 1}, "events": {}}
    assert told("retry") == {"rows": 1}
    assert told("status") == {"people": {"kept": 1, "wanted": 1}, "events": {}}
    # Nobody agreed to anything here, and neither was ever sent there: nothing is left of them.
    assert told("resync") == {"rows": 2}
    assert told("status") == {"people": {}, "events": {}}


@ON_SQLITE
def test_where_hubspot_is_off_nothing_is_changed(run: Run, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_HUBSPOT__MODE", "off")
    refused = run("hubspot", "retry", "--database", at)
    assert refused.exit_code == 2
    assert "NERAVA_HUBSPOT__MODE" in refused.output
    assert "parked" in run("hubspot", "status", "--database", at).output
