"""People agree to a text, take it back, and nobody rewrites what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import exc, text

from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

pytestmark = pytest.mark.in_turn

PATH = "/v1/me/consents"


def put(caller: Caller, *said: tuple[str, str, bool]) -> Any:
    """Say yes or no to texts."""
    body = {"consents": [{"purpose": one, "text_id": text_id, "given": yes} for one, text_id, yes in said]}
    return caller.client.put(PATH, json=body, headers=caller.headers())


def stance(caller: Caller, purpose: str) -> Any:
    """Return how somebody stands to a purpose."""
    return next(one for one in caller.get(PATH).json()["consents"] if one["purpose"] == purpose)


def rows(house: House, statement: str) -> list[Any]:
    """Return what a query finds."""
    return house.installation.database.read(lambda session: list(session.execute(text(statement))))


def test_a_consent_is_given_withdrawn_and_both_stay_written(house: House) -> None:
    ann, bob = house.user(), house.user()
    assert stance(ann, "marketing")["given"] is False

    assert put(ann, ("marketing", "marketing-2026-11", True)).status_code == 200
    assert (stance(ann, "marketing")["given"], stance(bob, "marketing")["given"]) == (True, False)
    assert put(ann, ("marketing", "marketing-2026-11", True)).status_code == 200
    assert put(ann, ("marketing", "marketing-2026-11", False)).status_code == 200
    assert stance(ann, "marketing")["given"] is False

    assert [bool(row[0]) for row in rows(house, "SELECT is_given FROM consent ORDER BY id")] == [True, False]
    told = rows(house, "SELECT action FROM audit_entry WHERE object_kind = 'consent' ORDER BY id")
    assert [row[0] for row in told] == ["consent.give", "consent.withdraw"]


def test_a_text_that_does_not_exist_is_refused_and_nothing_of_the_request_stays(house: House) -> None:
    ann = house.user()
    answer = put(ann, ("terms", "terms-2026-11", True), ("privacy", "terms-2026-11", True))
    assert_problem(answer, 422, "consent-text-unknown")
    assert rows(house, "SELECT id FROM consent") == []


@pytest.mark.parametrize("change", ["UPDATE consent SET is_given = NOT is_given", "DELETE FROM consent"])
def test_the_database_refuses_to_rewrite_consents(house: House, change: str) -> None:
    put(house.user(), ("terms", "terms-2026-11", True))
    with pytest.raises(exc.DatabaseError, match="refused"):
        house.installation.database.run(lambda session: session.execute(text(change)))
    assert len(rows(house, "SELECT id FROM consent")) == 1
