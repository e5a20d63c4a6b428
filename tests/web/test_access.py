"""Every page: closed without a session, closed to other roles, and deaf to forms that are not ours."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nerava.app import reviewed_policies
from nerava.identity.roles import Role
from tests.web.browser import KINDS, Browser, browser_of

if TYPE_CHECKING:
    from tests.http.conftest import House

TABLE: dict[str, dict[str, Any]] = tomllib.loads(reviewed_policies())
PAGES = {name: one for name, one in TABLE.items() if one.get("credential") == "cookie"}
CLOSED = sorted(name for name, one in PAGES.items() if not one.get("public"))
OPEN = sorted(name for name, one in PAGES.items() if one.get("public"))
SOME_ID = "0190f3a4-0000-7000-8000-000000000000"


def named_in(name: str) -> set[Role]:
    """Return the roles that may look at a page."""
    roles = PAGES[name]["roles"]
    return set(KINDS) if roles == ["any"] else {Role(one) for one in roles}


def _parts(name: str) -> tuple[str, str]:
    method, _, path = name.partition(" ")
    return method, re.sub(r"\{\w+\}", SOME_ID, path)


def test_there_are_pages_to_look_at() -> None:
    assert len(CLOSED) > 3
    assert len(OPEN) > 3


@pytest.mark.parametrize("name", CLOSED)
def test_a_page_sends_strangers_to_the_sign_in_and_takes_no_form_from_them(
    sqlite_house: House, name: str
) -> None:
    method, path = _parts(name)
    stranger = Browser(sqlite_house)
    if method == "GET":
        answer = stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/sign-in?next={path}"
    else:
        answer = stranger.post(path, {})
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("name", CLOSED)
def test_a_page_is_closed_to_every_role_it_does_not_name(sqlite_house: House, name: str) -> None:
    method, path = _parts(name)
    for role in set(KINDS) - named_in(name):
        other = browser_of(sqlite_house, role)
        answer = other.get(path)
        if method != "GET":
            csrf = _token(other)
            answer = other.post(path, {"csrf_token": csrf})
        assert answer.status_code == 403, (role, answer.text)
        assert "Your role may not do this" in answer.text


@pytest.mark.parametrize("name", [one for one in [*CLOSED, *OPEN] if one.startswith("POST")])
def test_a_form_that_is_not_ours_changes_nothing(sqlite_house: House, name: str) -> None:
    _, path = _parts(name)
    roles = sorted(named_in(name)) if "roles" in PAGES[name] else []
    sent = browser_of(sqlite_house, roles[0]) if roles else Browser(sqlite_house)
    foreign = sent.post(path, {"csrf_token": "A" * 43})
    assert foreign.status_code == 403
    csrf = _token(sent) if roles else ""
    elsewhere = sent.post(path, {"csrf_token": csrf}, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403


def _token(browser: Browser) -> str:
    [form, *_] = browser.forms("/choose")
    return form.fields["csrf_token"]
