"""Each request is a line of the log that names kinds of things and nobody in particular."""

from __future__ import annotations

import io
import json
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from nerava.kernel.ids import new_id
from nerava.platform.access_log import Served
from nerava.platform.logging_setup import JsonForm, ReadableForm
from nerava.platform.problem import Reference
from nerava.platform.redaction import Redactor
from nerava.settings import LogSettings, Settings
from nerava.web.routes import ALL_ROUTES
from tests.http.conftest import opened_house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REFERENCE = Reference("ab" * 16, "cd" * 16)


@contextmanager
def told(form: logging.Formatter) -> Iterator[io.StringIO]:
    """Write the log of the process into a text as well."""
    stream = io.StringIO()
    handler, ours = logging.StreamHandler(stream), logging.getLogger("nerava")
    handler.setFormatter(form)
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)


def requests_in(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines about requests."""
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [one for one in found if one["logger"] == "nerava.access"]


def test_a_request_is_one_line_and_nobody_in_particular(
    database_url: Callable[..., Any], tmp_path: Path
) -> None:
    log = LogSettings(requests=True)
    with (
        database_url("sqlite") as url,
        opened_house(url, tmp_path, log=log) as house,
        told(JsonForm(Redactor())) as stream,
    ):
        driver, payout_id = house.driver(), new_id()
        answers = [
            driver.get("/v1/wallet"),
            driver.get("/v1/wallet?looking=for-hunter2"),
            driver.get(f"/v1/payouts/{payout_id}"),
            house.client.get("/v1/wallet"),
            house.client.request("HUNT", f"/nowhere/{payout_id}"),
        ]
        for path in ("/livez", "/readyz", "/version"):
            house.client.get(path)
    assert [(one["method"], one["route"], one["status"], one["role"]) for one in requests_in(stream)] == [
        ("GET", "/v1/wallet", 200, "driver"),
        ("GET", "/v1/wallet", 422, "driver"),
        ("GET", "/v1/payouts/{payout_id}", 404, "driver"),
        ("GET", "/v1/wallet", 401, "nobody"),
        ("other", "unmatched", 404, "nobody"),
    ]
    for line, answer in zip(requests_in(stream), answers, strict=True):
        assert line["request_id"] == answer.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
        assert 0 < line["duration_ms"] < 60_000
        assert set(line) == {
            *("at", "level", "logger", "message", "method", "route", "status", "role"),
            *("duration_ms", "trace_id", "request_id"),
        }
    everything = stream.getvalue()
    for secret in ("hunter2", str(payout_id), str(driver.tenant_id), driver.token):
        assert secret not in everything


def test_no_route_has_a_name_that_the_redactor_takes_for_a_secret() -> None:
    form = JsonForm(Redactor())
    routes = {str(getattr(one, "path_format", "/")) for one in ALL_ROUTES}
    assert len(routes) > 100
    for route in routes:
        line = json.loads(form.format(Served(("GET", route, "merchant:register"), 200, 1.5, REFERENCE)))
        assert (line["route"], line["role"]) == (route, "merchant:register")
        assert (line["trace_id"], line["request_id"]) == REFERENCE


def test_people_read_a_request_as_a_sentence() -> None:
    form = ReadableForm(Redactor())
    line = form.format(Served(("GET", "/v1/wallet", "driver"), 200, 2.5, REFERENCE))
    assert line.endswith("INFO nerava.access: GET /v1/wallet 200 in 2.5 ms for driver")
    cut = form.format(Served(("GET", "/v1/wallet", "driver"), 0, 2.5, REFERENCE))
    assert "GET /v1/wallet unanswered in" in cut


@pytest.mark.parametrize(
    ("env", "wanted", "tells"),
    [("production", None, True), ("production", False, False), ("test", None, False), ("test", True, True)],
)
def test_production_tells_requests_unless_it_is_told_not_to(
    env: str, wanted: bool | None, tells: bool
) -> None:
    assert Settings(env=env, log=LogSettings(requests=wanted)).tells_requests is tells


def test_where_nobody_wants_them_there_are_none(database_url: Callable[..., Any], tmp_path: Path) -> None:
    with (
        database_url("sqlite") as url,
        opened_house(url, tmp_path) as house,
        told(JsonForm(Redactor())) as stream,
    ):
        assert house.client.get("/v1/wallet").status_code == 401
    assert requests_in(stream) == []
