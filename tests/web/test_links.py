"""Links and forms in templates: each leads to a page that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route

import nerava.web
from nerava.web.routes import ALL_ROUTES

TEMPLATES = Path(nerava.web.__file__).parent / "templates"
BY_DEMO = {"/demo", "/demo/passkey", "/demo/people"}
"""Pages that a demo adds; templates show them where `is_demo`."""

_LINK = re.compile(r"""(?:href|action|formaction)="(/[^"]*)\"""")
_TAB = re.compile(r"""^\s*\("(/[^"]*)",""", re.MULTILINE)
_ACTION = re.compile(r"""ui\.action\("(/[^"]*)\"""")


def _places(text: str) -> set[str]:
    found = {*_LINK.findall(text), *_TAB.findall(text), *_ACTION.findall(text)}
    plain = {re.sub(r"\{%.*?%\}", "", re.sub(r"\{\{.*?\}\}", "x", one)) for one in found}
    return {re.split(r"[?#]", one)[0] for one in plain}


def _is_there(path: str) -> bool:
    if path.endswith("/") and path != "/":  # The template goes on with an id.
        return any(isinstance(route, Route) and route.path.startswith(path) for route in ALL_ROUTES)
    return any(isinstance(route, Route) and route.path_regex.fullmatch(path) for route in ALL_ROUTES)


@pytest.mark.parametrize("name", sorted(str(one.relative_to(TEMPLATES)) for one in TEMPLATES.rglob("*.html")))
def test_no_template_leads_to_a_page_that_is_not_there(name: str) -> None:
    places = _places((TEMPLATES / name).read_text("utf-8"))
    assert {one for one in places - BY_DEMO if not _is_there(one)} == set()
