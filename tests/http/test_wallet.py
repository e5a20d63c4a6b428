"""A driver sees the own wallet, as the ledger has it, and nobody else's."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role, revoke_role
from nerava.installation import jobs_of
from nerava.kernel.ids import new_id
from nerava.ledger import chain, transfer
from nerava.ledger.chart import NOVA_ISSUANCE, NOVA_RESERVE, PLATFORM_PROMO, driver_nova
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.session_reward import SessionGrant, session_reward_hold
from tests.http.flows import cash_out, payee
from tests.http.shop import code_of, open_shop
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from uuid import UUID

    from tests.http.conftest import House


def fill(house: House, driver_id: UUID, *amounts: int) -> None:
    """Give a driver points from the house, one grant an amount, expiring in as many days as points."""
    sponsor_id = house.books.sponsor(sum(amounts))
    house.books.must(promo_funding(funding_id=new_id(), sponsor_id=sponsor_id, amount=sum(amounts)))
    now = house.installation.clock.now()
    for points in amounts:
        house.books.must(
            promo_grant(
                kind=PromoKind.GOODWILL,
                reference_id=new_id(),
                driver_id=driver_id,
                points=points,
                points_expire_at=now + timedelta(days=points),
            )
        )


def test_the_wallet_says_what_the_ledger_says(house: House) -> None:
    driver = house.driver()
    fill(house, driver.tenant_id, 30, 12)
    campaign_id = house.books.campaign(100)
    held = SessionGrant(campaign_id, new_id(), driver.tenant_id, 7)
    house.books.must(session_reward_hold(held, settle_by=house.installation.clock.now() + timedelta(days=1)))

    wallet = driver.get("/v1/wallet").json()

    assert wallet["driver_id"] == str(driver.tenant_id)
    assert (wallet["posted"], wallet["available"], wallet["pending"]) == (42, 42, 7)
    assert (wallet["currency"], wallet["value_minor"]) == ("USD", 42)
    assert wallet["sequence"] == 3
    assert [one["points"] for one in wallet["expiring"]] == [12, 30]
    assert house.books.findings() == []


def test_points_that_were_spent_do_not_expire(house: House) -> None:
    driver = house.driver()
    fill(house, driver.tenant_id, 30, 12)
    spent = chain(
        f"spent:{new_id()}",
        transfer(driver_nova(driver.tenant_id), NOVA_ISSUANCE, 13),
        transfer(NOVA_RESERVE, PLATFORM_PROMO, 13),
    )
    house.books.must(spent)

    wallet = driver.get("/v1/wallet").json()

    assert wallet["posted"] == 29
    assert [one["points"] for one in wallet["expiring"]] == [29]
    assert house.findings() == []


def test_an_empty_wallet_is_empty_and_not_unknown(house: House) -> None:
    driver = house.driver()
    assert driver.get("/v1/wallet").json()["posted"] == 0
    assert driver.get("/v1/wallet/statement").json() == {"items": [], "next_cursor": None}


def test_a_driver_without_an_account_is_told_so(house: House) -> None:
    assert_problem(house.caller(Role.DRIVER).get("/v1/wallet"), 404, "unknown-account")
    assert_problem(house.caller(Role.DRIVER).get("/v1/wallet/statement"), 404, "unknown-account")


def test_the_statement_is_walked_newest_first_without_gaps_or_repeats(house: House) -> None:
    driver = house.driver()
    fill(house, driver.tenant_id, *range(1, 8))

    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = driver.get("/v1/wallet/statement", params=params).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if len(seen) == 3:
            fill(house, driver.tenant_id, 100)  # What comes in meanwhile does not shift the pages.
        if cursor is None:
            break

    assert [line["sequence"] for line in seen] == [7, 6, 5, 4, 3, 2, 1]
    assert [line["change"] for line in seen] == [7, 6, 5, 4, 3, 2, 1]
    assert [line["posted"] for line in seen] == [28, 21, 15, 10, 6, 3, 1]
    assert {line["text"] for line in seen} == {"A present from the house"}


def test_each_driver_sees_the_own_wallet_only(house: House) -> None:
    rich, poor = house.driver(), house.driver()
    fill(house, rich.tenant_id, 500)
    assert poor.get("/v1/wallet").json()["posted"] == 0
    for smuggled in ({"driver_id": str(rich.tenant_id)}, {"tenant_id": str(rich.tenant_id)}):
        assert_problem(poor.get("/v1/wallet", params=smuggled), 422, "invalid-input")


def test_other_roles_have_no_wallet(house: House) -> None:
    for role in set(Role) - {Role.DRIVER}:
        assert_problem(house.caller(role).get("/v1/wallet"), 403, "role-not-allowed")


def test_a_token_for_less_does_not_open_the_wallet(house: House) -> None:
    driver = house.driver()
    token = house.narrowed(driver, "sessions:read")
    answer = house.client.get("/v1/wallet", headers={"Authorization": f"Bearer {token}"})
    assert_problem(answer, 403, "scope-not-granted")


def test_a_role_that_is_taken_away_is_gone(house: House) -> None:
    driver = house.driver()
    membership = Membership(Role.DRIVER, driver.tenant_id)
    assert driver.get("/v1/wallet").status_code == 200
    house.installation.database.run(lambda session: revoke_role(session, driver.subject, membership))
    assert_problem(driver.post("/v1/idempotency-keys/k/cancel"), 403, "role-not-allowed")  # Writes at once.
    time.sleep(1)
    assert_problem(driver.get("/v1/wallet"), 403, "role-not-allowed")  # Reads within a second.


def test_somebody_with_two_wallets_says_which_one(house: House) -> None:
    first, second = house.driver(), house.driver()
    fill(house, second.tenant_id, 9)
    now = house.installation.clock.now()
    membership = Membership(Role.DRIVER, second.tenant_id)
    house.installation.database.run(
        lambda session: grant_role(session, first.subject, membership, granted_by="test", now=now)
    )
    body = assert_problem(first.get("/v1/wallet"), 400, "role-ambiguous")
    assert f"driver:{second.tenant_id}" in body["detail"]
    named = first.headers({"Nerava-Acting-As": f"driver:{second.tenant_id}"})
    assert house.client.get("/v1/wallet", headers=named).json()["posted"] == 9
    stranger = first.headers({"Nerava-Acting-As": f"driver:{new_id()}"})
    assert_problem(house.client.get("/v1/wallet", headers=stranger), 403, "role-not-allowed")
    assert len(first.get("/v1/me").json()["roles"]) == 2


def test_ops_read_any_account_and_its_past(house: House) -> None:
    ops = house.caller(Role.OPS_SUPPORT)
    driver = house.driver()
    fill(house, driver.tenant_id, 5)
    between = house.installation.clock.now().isoformat()
    fill(house, driver.tenant_id, 6)
    code = f"driver:{driver.tenant_id}:nova"

    assert ops.get(f"/v1/ops/accounts/{code}").json()["posted"] == 11
    then = ops.get(f"/v1/ops/accounts/{code}/balance-at", params={"at": between}).json()
    assert (then["posted"], then["sequence"]) == (5, 1)
    lines = ops.get(f"/v1/ops/accounts/{PLATFORM_PROMO}/statement").json()["items"]
    assert [line["change"] for line in lines] == [-6, 6, -5, 5]
    assert lines[0]["counterparty"] == "nova:reserve"
    assert_problem(ops.get("/v1/ops/accounts/nobody:here"), 404, "unknown-account")
    assert_problem(ops.get("/v1/ops/accounts/NOVA"), 422, "invalid-input")
    assert_problem(driver.get(f"/v1/ops/accounts/{code}"), 403, "role-not-allowed")


def test_ops_audit_the_books_and_see_how_far_they_are_proven(house: House) -> None:
    ops = house.caller(Role.OPS_ADMIN)
    fill(house, house.driver().tenant_id, 5)
    [prove] = [job for job in jobs_of(house.installation) if job.name == "prove the books"]

    def audit(**params: str) -> dict[str, Any]:
        answer: dict[str, Any] = ops.get("/v1/ops/audit", params=params).json()
        assert (answer["clean"], answer["findings"]) == (True, [])
        assert answer["history_audited_at"] == answer["audited_at"]
        return answer

    assert audit()["chain"] is None
    assert audit(chain="true")["chain"] == {"last": None, "coming": None}
    asked = ops.post("/v1/ops/proofs")
    assert (asked.status_code, asked.json()["ended_at"]) == (202, None)
    assert ops.post("/v1/ops/proofs").json() == asked.json()
    assert audit(chain="true")["chain"] == {"last": None, "coming": asked.json()}

    assert prove.run(house.installation.clock.now()) == 1
    [last] = ops.get("/v1/ops/proofs").json()["items"]
    assert (last["id"], last["broken"], last["transfers"]) == (asked.json()["id"], 0, 4)
    assert audit(chain="true")["chain"] == {"last": last, "coming": None}
    told = ops.get("/v1/ops/audit-log", params={"action": "book_proof.ask"}).json()["items"]
    assert [entry["object_id"] for entry in told] == [last["id"]]
    assert_problem(house.driver().post("/v1/ops/proofs"), 403, "role-not-allowed")


def test_a_movement_names_what_it_was_about(house: House) -> None:
    driver, method = payee(house)
    shop = open_shop(house)
    code = code_of(driver, shop.offer())
    shop.capture(code)
    payout_id = cash_out(driver, method).json()["id"]
    driver.post(f"/v1/payouts/{payout_id}/cancel", key=str(new_id()))
    lines = driver.get("/v1/wallet/statement").json()["items"]
    redemption_id = driver.get("/v1/redemptions").json()["items"][0]["id"]
    by_template = {
        name: [one["about"] for one in lines if one["template"] == name]
        for name in ("driver_cashout", "redemption", "promo_grant")
    }
    payout = {"kind": "payout", "id": payout_id, "text": ""}
    redemption = {"kind": "redemption", "id": redemption_id, "text": "Corner Coffee"}
    assert by_template == {
        "driver_cashout": [payout, payout],
        "redemption": [redemption, redemption],
        "promo_grant": [None],
    }
    assert house.books.findings() == []
