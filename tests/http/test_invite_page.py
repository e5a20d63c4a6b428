"""The link that the server prints for the first person of ops leads to a page that works by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from nerava.commands.ops import PAGE

if TYPE_CHECKING:
    from tests.http.conftest import House


def test_the_page_of_the_link_loads_what_it_needs_from_here_alone(sqlite_house: House) -> None:
    page = sqlite_house.client.get(PAGE)
    assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in page.headers["content-security-policy"]

    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
    assert len(loaded) == 2
    for path in loaded:
        answer = sqlite_house.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kinds[path.rpartition(".")[2]])
    # What stands in the page itself a browser would not run, and nothing comes from elsewhere.
    assert not re.search(r"<style|style=|onclick|<script>|https?://", page.text)


def test_the_script_uses_the_operations_that_there_are(sqlite_house: House) -> None:
    script = sqlite_house.client.get("/pages/ops_invite.js").text
    [root] = re.findall(r"fetch\(`(/v1/[\w/-]+/)\$\{step\}`", script)
    steps = re.findall(r'send\("(\w+)"', script)
    paths = sqlite_house.client.get("/openapi.json").json()["paths"]
    assert sorted(steps) == ["accept", "options"]
    assert {root + step for step in steps} <= set(paths)


@pytest.mark.parametrize(
    "name", ["other.js", "..%2f..%2fpolicy.toml", "ops_invite.html", "serving.py", "a.js%00"]
)
def test_nothing_else_is_given_out(sqlite_house: House, name: str) -> None:
    assert sqlite_house.client.get(f"/pages/{name}").status_code in {404, 422}
