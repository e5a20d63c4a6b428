"""Sessions of operations that nobody uses: a page that refreshes itself keeps none of them awake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.identity.guard import BY_ITSELF
from nerava.identity.roles import Role
from nerava.identity.session_store import SessionKind
from nerava.identity.web_sessions import IDLE_LIFE
from nerava.kernel.clock import FixedClock
from tests.http.conftest import opened_house
from tests.web.browser import browser_of

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIFE = IDLE_LIFE[SessionKind.WEB_OPS]


@pytest.mark.parametrize(("headers", "is_awake"), [({}, True), ({BY_ITSELF: "1"}, False)])
def test_only_what_a_person_does_keeps_a_session_of_operations_awake(
    url: str, tmp_path: Path, headers: dict[str, str], *, is_awake: bool
) -> None:
    clock = FixedClock(START)
    with opened_house(url, tmp_path, clock) as house:
        browser = browser_of(house, Role.OPS_FINANCE)
        for minutes in range(5, 25, 5):
            clock.move_to(START + timedelta(minutes=minutes))
            answer = browser.get("/choose", headers=headers)
            in_time = is_awake or timedelta(minutes=minutes) < LIFE
            assert (answer.status_code == 200) is in_time, minutes
