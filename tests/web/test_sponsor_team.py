"""A sponsor's people on a page: who is here, who is invited, and how one lets somebody in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.conftest import _show_passkey
from tests.http.flows import sponsor
from tests.http.test_signing_in import inbox_of
from tests.web.browser import browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House
    from tests.web.browser import Browser

TEAM = "/sponsor/team"
MAIL = "colleague@example.org"


def proven(house: House) -> tuple[Caller, Browser]:
    """Return a sponsor and their browser, in which a passkey was shown a moment ago."""
    owner = sponsor(house)
    browser = browser_of(house, Role.SPONSOR, owner.tenant_id, owner.subject)
    now = house.installation.clock.now()
    house.installation.database.run(lambda session: _show_passkey(session, owner.subject, now))
    return owner, browser


def test_an_invitation_is_sent_once_and_can_be_taken_back(house: House) -> None:
    _, browser = proven(house)
    [form] = [one for one in browser.forms(TEAM) if one.action == f"{TEAM}/invite"]
    for _ in range(2):
        answer = browser.post(form.action, {**form.fields, "to": MAIL})
        assert answer.headers["location"] == f"{TEAM}?said=invited"
    assert len(inbox_of(house, MAIL)) == 1
    page = browser.get(TEAM)
    assert MAIL in page.text
    back = next(one.action for one in browser.forms(TEAM) if one.action.endswith("/withdraw"))
    assert browser.submit(TEAM, back).headers["location"].endswith("invite-withdrawn")
    assert MAIL not in browser.get(TEAM).text
    assert browser.post(back, form.fields).status_code == 404


def test_a_colleague_is_let_out_and_nobody_is_offered_to_let_oneself_out(sqlite_house: House) -> None:
    owner, browser = proven(sqlite_house)
    colleague = browser_of(sqlite_house, Role.SPONSOR, owner.tenant_id)
    assert colleague.get("/sponsor").status_code == 200
    said = text_of(browser.get(TEAM).text)
    assert said.count("Let out") == 1
    assert "You Since" in said
    action = next(one.action for one in browser.forms(TEAM) if one.action.endswith("/dismiss"))
    assert browser.submit(TEAM, action).headers["location"].endswith("colleague-out")
    assert "Let out" not in text_of(browser.get(TEAM).text)
    assert colleague.post(f"{TEAM}/invite", {}).status_code in {401, 403}


@pytest.mark.parametrize("typed", ["", "nobody", "12345", "<script>alert(1)</script>", "a@b@c", "x" * 300])
def test_what_is_no_address_is_refused_and_invites_nobody(sqlite_house: House, typed: str) -> None:
    owner, browser = proven(sqlite_house)
    answer = browser.submit(TEAM, f"{TEAM}/invite", to=typed)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert owner.get("/v1/invites").json()["invites"] == []


def test_who_has_not_shown_a_passkey_is_asked_for_it_first(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house)
    browser = browser_of(sqlite_house, Role.SPONSOR, owner.tenant_id, owner.subject)
    sqlite_house.grow_cold(owner)
    answer = browser.submit(TEAM, f"{TEAM}/invite", to=MAIL)
    assert answer.status_code == 403
    assert owner.get("/v1/invites").json()["invites"] == []


def test_the_people_of_another_sponsor_are_not_there(sqlite_house: House) -> None:
    owner, browser = proven(sqlite_house)
    _, stranger = proven(sqlite_house)
    browser.submit(TEAM, f"{TEAM}/invite", to=MAIL)
    [invited] = owner.get("/v1/invites").json()["invites"]
    fields = stranger.forms(TEAM)[0].fields
    for path in (f"{TEAM}/invites/{invited['id']}/withdraw", f"{TEAM}/{new_id()}/dismiss"):
        assert stranger.post(path, fields).status_code == 404
    assert MAIL not in stranger.get(TEAM).text
    assert len(owner.get("/v1/invites").json()["invites"]) == 1
