"""Ops sees in one page what stands still, and gives what was given up another chance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from nerava.identity.roles import Role
from nerava.inbound.model import EventState, InboundEvent
from nerava.kernel.ids import new_id
from nerava.migrations.tables import metadata
from nerava.web.queues import QUEUES
from tests.http.conftest import Caller
from tests.http.flows import sponsor
from tests.http.paying import Counter, opened_counter

DUE_COLUMNS = {"due_at", "next_at"}
NOT_WORK = {
    "payout_method": "somebody who has not finished at the provider; nobody waits for it",
    "webhook_endpoint": "when the earliest of its deliveries is due, which have their own line",
}
"""Tables with such a column whose rows nobody needs to look after, and why."""


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


def told(ops: Caller) -> dict[str, tuple[int, int, int]]:
    answer = ops.get("/v1/ops/queues")
    assert answer.status_code == 200, answer.text
    return {one["name"]: (one["waiting"], one["late"], one["given_up"]) for one in answer.json()["queues"]}


def test_every_table_of_work_has_its_line() -> None:
    tables = {
        name
        for name, table in metadata().tables.items()
        if DUE_COLUMNS & {column.name for column in table.columns}
    }
    assert {line.due.class_.__tablename__ for line in QUEUES} == tables - set(NOT_WORK)


def test_what_waits_is_counted_and_what_is_late_is_told_apart(counter: Counter) -> None:
    ops = counter.house.caller(Role.OPS_SUPPORT)
    assert set(told(ops).values()) == {(0, 0, 0)}
    sponsor(counter.house).post("/v1/sponsor/checkouts", {"gross_minor": 500}, key=str(new_id()))
    assert told(ops)["payments of sponsors"] == (1, 1, 0)
    counter.work(1)
    assert told(ops)["payments of sponsors"] == (1, 0, 0)
    [line] = [one for one in ops.get("/v1/ops/queues").json()["queues"] if one["waiting"]]
    assert line["oldest_due_at"] is None


def test_an_event_that_was_given_up_is_shown_and_worked_on_again(counter: Counter) -> None:
    owner = sponsor(counter.house)
    owner.post("/v1/sponsor/checkouts", {"gross_minor": 500}, key=str(new_id()))
    counter.work(1)
    counter.world.stripe.pay_checkout(counter.world.stripe.objects("checkout.session")[-1]["id"])
    counter.bring("checkout.session.completed")
    database = counter.house.installation.database
    dead = {"state": EventState.DEAD.value, "due_at": None, "done_at": counter.clock.now()}
    database.run(lambda session: session.execute(update(InboundEvent).values(**dead)))

    finance = counter.house.caller(Role.OPS_FINANCE)
    assert told(finance)["provider events"] == (0, 0, 1)
    [event] = finance.get("/v1/ops/provider-events").json()["items"]
    assert (event["kind"], event["state"]) == ("checkout.session.completed", "dead")
    path = f"/v1/ops/provider-events/{event['id']}/retry"
    assert counter.house.caller(Role.OPS_SUPPORT).post(path).status_code == 403
    assert finance.post(path).status_code == 204
    assert finance.post(path).json()["code"] == "no-dead-event"
    counter.clock.move_to(counter.clock.now() + timedelta(seconds=1))
    counter.work(3)
    assert told(finance)["provider events"] == (0, 0, 0)
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 500
    assert counter.house.findings() == []
