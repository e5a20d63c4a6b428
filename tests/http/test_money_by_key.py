"""Money that moves by group commit: one key, one posting, one answer, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import exc
from sqlalchemy.orm import Session

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger import EffectRefused
from nerava.ledger.chart import PLATFORM_PROMO
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform.idempotency import Answer, KeyedRequest
from nerava.platform.idempotency_store import find, forget, store_many
from nerava.platform.problem import NOWHERE
from nerava.web.api.keyed import StoreAnswer
from nerava.web.api.presents import HouseBudgetTooSmall
from tests.helpers.parallel import in_parallel
from tests.http.flows import fill_promo, same
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from uuid import UUID

    from tests.http.conftest import Caller, House

pytestmark = pytest.mark.both

PATH = "/v1/ops/goodwill-grants"


def present(driver_id: UUID | str, points: int = 10, **more: object) -> dict[str, object]:
    """Return the body of a present."""
    return {"driver_id": str(driver_id), "points": points, "reason": "thanks"} | more


def give(caller: Caller, driver_id: UUID, key: str, points: int = 10) -> Any:
    """Ask for a present."""
    return caller.post(PATH, present(driver_id, points), key=key)


def test_sixty_four_requests_with_one_key_pay_once_and_answer_the_same_bytes(house: House) -> None:
    fill_promo(house, 1_000)
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)

    answers = in_parallel(64, lambda _: give(ops, driver.tenant_id, "one"))

    assert {answer.status_code for answer in answers} == {201}
    assert same(answers)["points"] == 10
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count(None) == 1
    assert driver.get("/v1/wallet").json()["posted"] == 10
    assert house.books.posted(PLATFORM_PROMO) == [990]
    assert house.findings() == []


def test_sixty_four_bodies_under_one_key_pay_exactly_one_of_them(house: House) -> None:
    fill_promo(house, 10_000)
    ops = house.caller(Role.OPS_FINANCE)
    drivers = [house.driver() for _ in range(16)]

    answers = in_parallel(64, lambda index: give(ops, drivers[index % 16].tenant_id, "one", 10 + index))

    paid = [answer for answer in answers if answer.status_code == 201]
    assert len(paid) == 1
    for answer in answers:
        if answer is not paid[0]:
            assert_problem(answer, 409, "key-reused-with-other-body")
            assert "retry-after" not in answer.headers
    assert house.books.posted(PLATFORM_PROMO) == [10_000 - paid[0].json()["points"]]
    assert house.findings() == []


def test_a_budget_for_four_pays_four_of_two_hundred(house: House) -> None:
    fill_promo(house, 160)
    ops, driver = house.caller(Role.OPS_FINANCE), house.driver()

    answers = in_parallel(200, lambda index: give(ops, driver.tenant_id, f"k{index}", 40), width=64)

    assert [answer.status_code for answer in answers].count(201) == 4
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.json()["code"] for answer in refused} == {"house-budget-too-small"}
    assert house.books.posted(PLATFORM_PROMO) == [0]
    assert driver.get("/v1/wallet").json()["posted"] == 160
    assert house.findings() == []


def test_a_refusal_once_given_stands_when_the_money_arrives(house: House) -> None:
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)
    first = give(ops, driver.tenant_id, "k")
    assert_problem(first, 409, "house-budget-too-small")
    fill_promo(house, 100)

    answers = in_parallel(8, lambda _: give(ops, driver.tenant_id, "k"))

    assert {answer.content for answer in answers} == {first.content}
    assert {answer.headers["idempotency-replayed"] for answer in answers} == {"true"}
    assert house.books.posted(PLATFORM_PROMO) == [100]
    assert give(ops, driver.tenant_id, "k2").status_code == 201


def test_what_can_be_repaired_leaves_the_key_free(house: House) -> None:
    fill_promo(house, 100)
    ops = house.caller(Role.OPS_FINANCE)
    unknown = ops.post(PATH, present(new_id()), key="k")
    assert_problem(unknown, 404, "unknown-account")
    assert_problem(ops.post(PATH, present(new_id(), "10"), key="k"), 422, "invalid-input")  # type: ignore[arg-type]
    assert_problem(ops.get("/v1/idempotency-keys/k"), 404, "idempotency-key-unknown")
    assert give(ops, house.driver().tenant_id, "k").status_code == 201


def test_two_people_may_choose_the_same_key(house: House) -> None:
    fill_promo(house, 100)
    driver = house.driver()
    for _ in range(2):
        assert give(house.caller(Role.OPS_FINANCE), driver.tenant_id, "k").status_code == 201
    assert driver.get("/v1/wallet").json()["posted"] == 20


def test_a_key_can_be_asked_and_cancelled(house: House) -> None:
    fill_promo(house, 100)
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)
    done = give(ops, driver.tenant_id, "done")

    told = ops.get("/v1/idempotency-keys/done").json()
    assert (told["outcome"], told["status"], told["answer"]) == ("executed", 201, done.json())
    assert ops.post("/v1/idempotency-keys/done/cancel").json() == told
    assert_problem(
        house.caller(Role.OPS_FINANCE).get("/v1/idempotency-keys/done"), 404, "idempotency-key-unknown"
    )

    assert ops.post("/v1/idempotency-keys/burned/cancel").json()["outcome"] == "cancelled"
    late = give(ops, driver.tenant_id, "burned")
    assert_problem(late, 409, "idempotency-key-cancelled")
    assert "retry-after" not in late.headers
    assert ops.get("/v1/idempotency-keys/burned").json()["outcome"] == "cancelled"
    slash = "a/b?c"
    assert give(ops, driver.tenant_id, slash).status_code == 201
    assert ops.get("/v1/idempotency-keys/a%2Fb%3Fc").json()["key"] == slash
    assert driver.get("/v1/wallet").json()["posted"] == 20


def test_cancel_and_posting_race_to_one_truth(house: House) -> None:
    fill_promo(house, 10_000)
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)

    def either(index: int) -> str:
        key = f"k{index // 2}"
        if index % 2:
            outcome: str = ops.post(f"/v1/idempotency-keys/{key}/cancel").json()["outcome"]
            return outcome
        answer = give(ops, driver.tenant_id, key)
        return (
            "executed"
            if answer.status_code == 201
            else {"idempotency-key-cancelled": "cancelled"}[answer.json()["code"]]
        )

    told = in_parallel(64, either)

    pairs = list(zip(told[::2], told[1::2], strict=True))
    assert all(request == canceller for request, canceller in pairs)
    executed = [request for request, _ in pairs].count("executed")
    assert driver.get("/v1/wallet").json()["posted"] == 10 * executed
    assert house.findings() == []


def test_after_a_month_the_answer_is_rebuilt_from_the_ledger(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_promo(house, 100)
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)
    first = give(ops, driver.tenant_id, "k")
    clock = house.installation.clock
    later = clock.now() + timedelta(days=31)
    house.installation.database.run(lambda session: forget(session, before=later))
    monkeypatch.setattr("nerava.web.api.keyed.TWINS_WITHIN", timedelta(0))  # So that a month need not pass.

    again = give(ops, driver.tenant_id, "k")

    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "rebuilt"
    house.installation.database.run(lambda session: forget(session, before=later))
    other = give(ops, driver.tenant_id, "k", points=11)
    assert_problem(other, 409, "key-reused-with-other-body")
    # Whoever reused the key has not taken it from the request that it belongs to.
    assert give(ops, driver.tenant_id, "k").content == first.content
    assert driver.get("/v1/wallet").json()["posted"] == 10


def test_a_lost_commit_answer_pays_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_promo(house, 100)
    driver, ops = house.driver(), house.caller(Role.OPS_FINANCE)
    commit, lost = Session.commit, iter([True])

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if next(lost, False):
            raise exc.OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    answer = give(ops, driver.tenant_id, "k")

    assert answer.status_code == 201
    assert next(lost, None) is None
    assert driver.get("/v1/wallet").json()["posted"] == 10
    assert give(ops, driver.tenant_id, "k").content == answer.content
    assert house.findings() == []


@pytest.mark.parametrize("points", [0, -1, 50_001, 1.0, "5", None, True])
def test_nobody_gives_more_than_two_people_may(sqlite_house: House, points: object) -> None:
    ops = sqlite_house.caller(Role.OPS_FINANCE)
    body = present(new_id()) | {"points": points}
    assert_problem(ops.post(PATH, body, key="k"), 422, "invalid-input")


def test_only_finance_gives_presents(sqlite_house: House) -> None:
    for role in set(Role) - {Role.OPS_FINANCE}:
        answer = sqlite_house.caller(role).post(PATH, present(new_id()), key="k")
        assert_problem(answer, 403, "role-not-allowed")


def test_nothing_is_posted_under_a_key_that_was_refused_a_moment_ago(house: House) -> None:
    fill_promo(house, 100)
    driver, now = house.driver(), house.installation.clock.now()
    request = KeyedRequest("user:1", "k", b"f" * 32, NOWHERE)
    refusal = Answer.refusal(HouseBudgetTooSmall(), request.reference)
    database, ledger = house.installation.database, house.installation.ledger
    # Another request with the key was refused after this one had looked whether the key is free.
    database.run(lambda session: store_many(session, [(request, refusal)], now=now))
    grant = promo_grant(kind=PromoKind.GOODWILL, reference_id=new_id(), driver_id=driver.tenant_id, points=10)
    neighbour = promo_grant(
        kind=PromoKind.GOODWILL, reference_id=new_id(), driver_id=driver.tenant_id, points=7
    )

    def attempt(index: int) -> str:
        if index:
            return ledger.submit(neighbour).status.value
        try:
            ledger.submit(grant, [StoreAnswer(request, lambda _verdict: Answer(201, b"{}"), now)])
        except EffectRefused:
            return "refused"
        return "posted"

    assert in_parallel(2, attempt) == ["refused", "posted"]
    assert driver.get("/v1/wallet").json()["posted"] == 7
    assert database.read(lambda session: find(session, request)) == refusal
    assert house.findings() == []
