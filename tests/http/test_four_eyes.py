"""What needs two people happens by two people, once (S20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import exc, select, text, update

from nerava.audit import model as audit_log
from nerava.identity.access_store import Approval
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_PROMO
from tests.helpers.parallel import in_parallel
from tests.http.flows import fill_promo
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

PATH = "/v1/ops/goodwill-grants"


def ask(
    house: House, maker: Caller, points: int = 20_000, *, driver: UUID | None = None, key: str = ""
) -> Any:
    """Ask for a present that one person may not give alone."""
    body = {"driver_id": str(driver or house.driver().tenant_id), "points": points, "reason": "thanks"}
    return maker.post(PATH, body, key=key or str(new_id()))


def decide(caller: Caller, asked: Any, word: str = "approve", *, key: str = "") -> Any:
    """Approve or refuse."""
    path = f"/v1/ops/approvals/{asked.json()['approval_id']}/{word}"
    return caller.post(path, {"reason": "too much"} if word == "refuse" else None, key=key or str(new_id()))


def wallet(house: House, driver_id: UUID) -> int:
    """Return what a driver holds."""
    posted: int = house.caller(Role.DRIVER, driver_id).get("/v1/wallet").json()["posted"]
    return posted


def told(house: House, approval_id: str) -> list[tuple[str, str, str]]:
    """Return what the audit log says about a request: action, actor and result."""
    entry = audit_log.entry.c
    rows = select(entry.action, entry.actor_id, entry.result).where(entry.object_id == approval_id)
    return [
        tuple(row)
        for row in house.installation.database.read(
            lambda session: session.execute(rows.order_by(entry.id)).all()
        )
    ]


def test_a_large_present_waits_for_a_second_person_and_then_happens_once(house: House) -> None:
    fill_promo(house, 50_000)
    maker, checker, driver = house.caller(Role.OPS_FINANCE), house.caller(Role.OPS_FINANCE), house.driver()

    asked = ask(house, maker, driver=driver.tenant_id)

    assert asked.status_code == 202
    assert asked.json()["state"] == "waiting"
    assert house.books.posted(PLATFORM_PROMO) == [50_000]
    listed = checker.get("/v1/ops/approvals").json()["items"]
    assert [one["approval_id"] for one in listed] == [asked.json()["approval_id"]]

    agreed = decide(checker, asked, key="yes")

    assert (agreed.status_code, agreed.json()["state"]) == (200, "approved")
    assert agreed.json()["decided_by"] == str(checker.subject)
    assert wallet(house, driver.tenant_id) == 20_000
    again = decide(checker, asked, key="yes")
    assert (again.content, again.headers["idempotency-replayed"]) == (agreed.content, "true")
    assert_problem(decide(house.caller(Role.OPS_FINANCE), asked), 409, "already-decided")
    assert checker.get("/v1/ops/approvals").json()["items"] == []
    assert wallet(house, driver.tenant_id) == 20_000
    approval_id = asked.json()["approval_id"]
    assert told(house, approval_id) == [
        ("approval.asked", str(maker.subject), "ok"),
        ("approval.approved", str(checker.subject), "ok"),
    ]
    assert house.findings() == []


@pytest.mark.parametrize("word", ["approve", "refuse"])
def test_nobody_decides_on_their_own_request_under_any_role_and_the_attempt_is_kept(
    house: House, word: str
) -> None:
    fill_promo(house, 50_000)
    maker = house.caller(Role.OPS_FINANCE)
    asked = ask(house, maker)

    assert_problem(decide(maker, asked, word), 403, "self-approval")
    # The same person with another token is the same person.
    twin = house.caller(Role.OPS_FINANCE, subject=maker.subject)
    assert_problem(decide(twin, asked, word), 403, "self-approval")

    approval_id = asked.json()["approval_id"]
    assert maker.get(f"/v1/ops/approvals/{approval_id}").json()["state"] == "waiting"
    assert told(house, approval_id)[1:] == [("approval.self", str(maker.subject), "denied")] * 2
    assert house.books.posted(PLATFORM_PROMO) == [50_000]
    assert decide(house.caller(Role.OPS_FINANCE), asked).status_code == 200


def test_the_database_itself_refuses_one_person_on_both_sides(house: House) -> None:
    maker = house.caller(Role.OPS_FINANCE)
    asked = ask(house, maker).json()["approval_id"]
    now = house.installation.clock.now()
    forged = (
        update(Approval)
        .where(Approval.id == UUID(asked))
        .values(state="approved", checker=maker.subject, decided_at=now)
    )
    with pytest.raises(exc.IntegrityError, match="two_people"):
        house.installation.database.run(lambda session: session.execute(forged))


def test_sixteen_who_approve_at_once_have_one_effect(house: House) -> None:
    fill_promo(house, 200_000)
    maker, driver = house.caller(Role.OPS_FINANCE), house.driver()
    crowd = [house.caller(Role.OPS_FINANCE) for _ in range(16)]
    asked = ask(house, maker, driver=driver.tenant_id)

    answers = in_parallel(16, lambda number: decide(crowd[number], asked))

    assert [one.status_code for one in answers].count(200) == 1
    assert {one.json()["code"] for one in answers if one.status_code != 200} == {"already-decided"}
    assert wallet(house, driver.tenant_id) == 20_000
    assert house.findings() == []


def test_approvals_and_refusals_at_once_are_one_decision(house: House) -> None:
    fill_promo(house, 200_000)
    maker, driver = house.caller(Role.OPS_FINANCE), house.driver()
    crowd = [house.caller(Role.OPS_FINANCE) for _ in range(8)]
    asked = ask(house, maker, driver=driver.tenant_id)

    answers = in_parallel(8, lambda number: decide(crowd[number], asked, ("approve", "refuse")[number % 2]))

    decided = [one.json()["state"] for one in answers if one.status_code == 200]
    assert len(decided) == 1
    assert wallet(house, driver.tenant_id) == (20_000 if decided == ["approved"] else 0)


def test_what_was_refused_never_happens(house: House) -> None:
    fill_promo(house, 50_000)
    asked = ask(house, house.caller(Role.OPS_FINANCE))
    refused = decide(house.caller(Role.OPS_FINANCE), asked, "refuse")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    assert_problem(decide(house.caller(Role.OPS_FINANCE), asked), 409, "already-decided")
    assert house.books.posted(PLATFORM_PROMO) == [50_000]


def test_an_approval_that_cannot_be_paid_leaves_the_request_waiting(house: House) -> None:
    asked = ask(house, house.caller(Role.OPS_FINANCE))
    checker = house.caller(Role.OPS_FINANCE)
    assert_problem(decide(checker, asked), 409, "house-budget-too-small")
    fill_promo(house, 20_000)
    assert decide(checker, asked).status_code == 200
    assert house.books.posted(PLATFORM_PROMO) == [0]


def test_presents_at_once_do_not_exceed_the_allowance_of_the_day(house: House) -> None:
    fill_promo(house, 600_000)
    makers = [house.caller(Role.OPS_FINANCE) for _ in range(2)]
    crowd = [house.caller(Role.OPS_FINANCE) for _ in range(11)]
    asked = [ask(house, makers[number % 2], 50_000) for number in range(11)]

    answers = in_parallel(11, lambda number: decide(crowd[number], asked[number]))

    assert [one.status_code for one in answers].count(200) == 10
    assert [one.json()["code"] for one in answers if one.status_code != 200] == ["allowance-spent"]
    assert house.books.posted(PLATFORM_PROMO) == [100_000]


def test_a_request_that_waited_too_long_is_over(house: House) -> None:
    fill_promo(house, 50_000)
    asked = ask(house, house.caller(Role.OPS_FINANCE))
    approval_id = asked.json()["approval_id"]
    past = text("UPDATE approval SET asked_at = :early, expires_at = :late")
    early, late = "2026-01-01T00:00:00.000000+00:00", "2026-01-08T00:00:00.000000+00:00"
    house.installation.database.run(lambda session: session.execute(past, {"early": early, "late": late}))

    checker = house.caller(Role.OPS_FINANCE)
    assert_problem(decide(checker, asked), 409, "already-decided")
    assert checker.get(f"/v1/ops/approvals/{approval_id}").json()["state"] == "expired"
    assert checker.get("/v1/ops/approvals").json()["items"] == []


def test_nobody_gives_to_an_account_of_their_own(house: House) -> None:
    fill_promo(house, 50_000)
    driver, now = house.driver(), house.installation.clock.now()
    own = Membership(Role.DRIVER, driver.tenant_id)
    linked = house.caller(Role.OPS_FINANCE)
    house.installation.database.run(
        lambda session: grant_role(session, linked.subject, own, granted_by="test", now=now)
    )
    for points in (10, 20_000):
        assert_problem(ask(house, linked, points, driver=driver.tenant_id), 403, "own-account")
    asked = ask(house, house.caller(Role.OPS_FINANCE), driver=driver.tenant_id)
    assert_problem(decide(linked, asked), 403, "own-account")
    assert wallet(house, driver.tenant_id) == 0
    assert decide(house.caller(Role.OPS_FINANCE), asked).status_code == 200


def test_one_person_prepares_ten_large_presents_a_day(house: House) -> None:
    maker = house.caller(Role.OPS_FINANCE)
    answers = [ask(house, maker) for _ in range(11)]
    assert [one.status_code for one in answers] == [202] * 10 + [429]
    assert ask(house, house.caller(Role.OPS_FINANCE)).status_code == 202


def test_deciding_takes_a_passkey_of_the_last_five_minutes(sqlite_house: House) -> None:
    asked = ask(sqlite_house, sqlite_house.caller(Role.OPS_FINANCE))
    cold = sqlite_house.grow_cold(sqlite_house.caller(Role.OPS_FINANCE))
    for word in ("approve", "refuse"):
        answer = decide(cold, asked, word)
        assert_problem(answer, 403, "step-up-required")
        assert answer.json()["step_up"] == "passkey"


def test_the_list_is_walked_page_by_page(sqlite_house: House) -> None:
    maker = sqlite_house.caller(Role.OPS_FINANCE)
    asked = [ask(sqlite_house, maker).json()["approval_id"] for _ in range(3)]
    first = maker.get("/v1/ops/approvals", params={"limit": 2}).json()
    rest = maker.get("/v1/ops/approvals", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["approval_id"] for one in first["items"] + rest["items"]] == asked
    assert rest["next_cursor"] is None
