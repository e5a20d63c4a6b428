"""A payer disputes the payment of a deposit: its sponsor is stopped, and every cent is booked once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from nerava.identity.roles import Role
from nerava.installation import background_of
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_ADJUSTMENTS, PROCESSOR_FEES, external, sponsor_receivable
from nerava.rewards.disputes import DisputeWork, Told, note
from nerava.web.queues import late_work
from tests.helpers.parallel import in_parallel
from tests.http.conftest import Caller
from tests.http.flows import as_driver, campaign, partner_session, sponsor, terms, work_off
from tests.http.paying import Counter, opened_counter
from tests.http.test_problems import assert_problem
from tests.http.test_sponsor_payments import asked, at_stripe, back, paid, prepaid, refund, states

FEE = 1_500
"""What the simulated provider charges for a dispute."""


@pytest.fixture
def counter(url: str, tmp_path: Path) -> Iterator[Counter]:
    """A counter on both databases."""
    with opened_counter(url, tmp_path) as opened:
        yield opened


def disputed(counter: Counter, *, told: bool = True, **how: Any) -> str:
    """Let the payer of the newest payment dispute it and return the dispute."""
    [*_, intent] = counter.world.stripe.objects("payment_intent")
    dispute: str = counter.world.stripe.open_dispute(intent["id"], **how)["id"]
    if told:
        tell(counter)
    return dispute


def closed(counter: Counter, dispute: str, *, won: bool) -> None:
    """Let a dispute be decided, and tell of it."""
    counter.world.stripe.close_dispute(dispute, won=won)
    tell(counter)


def tell(counter: Counter) -> None:
    """Bring everything that the provider has to tell, and work on it."""
    assert {one.status_code for one in counter.bring()} <= {200}
    counter.work(3)


def mine(owner: Caller) -> dict[str, Any]:
    """Return what the sponsor is shown of itself."""
    shown: dict[str, Any] = owner.get("/v1/sponsor").json()
    return shown


def of(counter: Counter, code: str) -> int:
    """Return a balance."""
    return counter.house.installation.ledger.balance(code).posted


def fund(owner: Caller, campaign_id: str, gross: int = 100) -> Any:
    path = f"/v1/campaigns/{campaign_id}/fundings"
    return owner.post(path, {"gross_minor": gross}, key=str(new_id()))


def activate(owner: Caller, campaign_id: str) -> Any:
    return owner.post(f"/v1/campaigns/{campaign_id}/activate")


def waiting(ops: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ops.get("/v1/ops/disputes").json()["items"]
    return found


def lift(ops: Caller, dispute_id: str) -> Any:
    path = f"/v1/ops/disputes/{dispute_id}/lift"
    return ops.post(path, {"reason": "the sponsor has paid by bank"}, key=str(new_id()))


def finance(counter: Counter) -> Caller:
    return counter.house.caller(Role.OPS_FINANCE)


def settled(counter: Counter) -> None:
    """Check that our books and the provider's say the same, and that the audit finds nothing."""
    held = counter.world.stripe.balances().get("usd", {"available": 0, "pending": 0})
    assert -of(counter, external("stripe")) == held["available"] + held["pending"]
    assert counter.house.findings() == []


def test_a_dispute_stops_its_sponsor_until_it_is_won(counter: Counter) -> None:
    owner = sponsor(counter.house)
    checkout_id = paid(counter, owner, 10_000)
    running = campaign(owner, 4_000)
    assert mine(owner)["stopped_since"] is None
    dispute = disputed(counter)

    shown = mine(owner)
    assert (shown["prepaid_minor"], shown["owed_minor"]) == (6_000, 10_000)
    assert shown["stopped_since"] is not None
    one = owner.get(f"/v1/campaigns/{running}").json()
    assert (one["state"], one["is_stopped"]) == ("paused", True)
    [listed] = owner.get("/v1/campaigns").json()["items"]
    assert listed["is_stopped"] is True
    body = {"gross_minor": 100, "campaign_id": running}
    into_campaign = owner.post("/v1/sponsor/checkouts", body, key=str(new_id()))
    for refused in (activate(owner, running), fund(owner, running), refund(owner, 100), into_campaign):
        problem = assert_problem(refused, 409, "sponsor-stopped")
        assert "disputed since" in problem["detail"]
    assert owner.post("/v1/sponsor/checkouts", {"gross_minor": 100}, key=str(new_id())).status_code == 202
    settled(counter)

    closed(counter, dispute, won=True)
    shown = mine(back(counter, owner))
    assert (shown["stopped_since"], shown["owed_minor"], shown["prepaid_minor"]) == (None, 0, 6_000)
    assert owner.get(f"/v1/sponsor/checkouts/{checkout_id}").json()["disputed_at"] is None
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "paused"
    answers = [activate(owner, running), fund(owner, running), refund(owner, 100)]
    assert [one.status_code for one in answers] == [200, 201, 202]
    assert waiting(finance(counter)) == []
    assert of(counter, PROCESSOR_FEES) < -FEE
    counter.work(3)
    settled(counter)


@pytest.mark.both
def test_who_loses_what_is_spent_takes_nothing_from_drivers_and_owes_the_rest(counter: Counter) -> None:
    owner = sponsor(counter.house)
    checkout_id = paid(counter, owner, 10_000)
    running = campaign(owner, 9_000)
    sent = counter.house.caller(Role.PARTNER).post("/v1/partner/cdrs", partner_session())
    work_off(counter.house)
    driver_id = UUID(sent.json()["driver_id"])
    points = as_driver(counter.house, driver_id).get("/v1/wallet").json()["posted"]
    assert points == 10
    dispute = disputed(counter)
    closed(counter, dispute, won=False)

    owner = back(counter, owner)
    shown = mine(owner)
    # The thousand that was in no campaign has paid; what campaigns hold and drivers have is left alone.
    assert (shown["prepaid_minor"], shown["owed_minor"]) == (0, 9_000)
    assert shown["stopped_since"] is not None
    assert of(counter, sponsor_receivable(owner.tenant_id)) == -9_000
    assert as_driver(counter.house, driver_id).get("/v1/wallet").json()["posted"] == points
    assert owner.get(f"/v1/sponsor/checkouts/{checkout_id}").json()["disputed_at"] is not None
    settled(counter)

    # What the campaign has left comes to the deposits, and pays when a person has looked.
    owner.post(f"/v1/campaigns/{running}/end")
    rest = owner.post(f"/v1/campaigns/{running}/close", key="close").json()
    given_back = rest["budget_minor"] + rest["fee_refunded_minor"]
    assert_problem(refund(owner, 1), 409, "sponsor-stopped")
    first = finance(counter)
    [case] = waiting(first)
    assert (case["state"], case["taken"], case["open"]) == ("lost", 10_000, 9_000)
    assert lift(first, case["id"]).status_code == 200
    shown = mine(owner)
    left = 9_000 - given_back
    assert (shown["prepaid_minor"], shown["owed_minor"], shown["stopped_since"]) == (0, left, None)
    assert waiting(first) == []
    # The payment itself stays disputed: it is never refunded.
    assert refund(owner, 1).json()["code"] == "not-refundable"
    settled(counter)


def test_two_people_lift_a_stop_above_the_limit(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 10_001)
    disputed(counter)
    maker, checker = finance(counter), finance(counter)
    assert_problem(lift(maker, str(new_id())), 404, "unknown-dispute")
    [case] = waiting(maker)
    assert_problem(lift(counter.house.caller(Role.OPS_SUPPORT), case["id"]), 403, "role-not-allowed")
    asked_for = lift(maker, case["id"])
    assert asked_for.status_code == 202
    assert mine(owner)["stopped_since"] is not None
    path = f"/v1/ops/approvals/{asked_for.json()['approval_id']}/approve"
    assert_problem(maker.post(path, key=str(new_id())), 403, "self-approval")
    assert checker.post(path, key=str(new_id())).status_code == 200
    assert mine(owner)["stopped_since"] is None
    settled(counter)


def test_one_person_lifts_a_stop_once_and_what_becomes_of_it_then_stops_nobody(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 10_000)
    running = campaign(owner, 4_000)
    dispute = disputed(counter)
    ops = finance(counter)
    [case] = waiting(ops)
    assert case["is_stopping"] is True
    lifted = lift(ops, case["id"])
    assert (lifted.status_code, lifted.json()["is_stopping"]) == (200, False)
    assert_problem(lift(ops, case["id"]), 409, "not-stopped")
    assert activate(owner, running).status_code == 200
    closed(counter, dispute, won=False)
    owner = back(counter, owner)
    assert mine(owner)["stopped_since"] is None
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "active"
    # It was lost all the same: what is deposited pays, the rest is owed.
    assert (prepaid(owner), mine(owner)["owed_minor"]) == (0, 4_000)
    settled(counter)


def test_nobody_lifts_the_stop_of_a_sponsor_they_act_for(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    disputed(counter)
    both = counter.house.caller(Role.OPS_FINANCE, subject=owner.subject)
    [case] = waiting(both)
    assert_problem(lift(both, case["id"]), 403, "own-account")
    assert lift(finance(counter), case["id"]).status_code == 200
    settled(counter)


@pytest.mark.both
@pytest.mark.parametrize("won", [True, False])
def test_events_in_any_order_any_number_of_times_come_to_the_same(counter: Counter, won: bool) -> None:
    outcomes = set()
    told = 4 if won else 3
    orders = list(permutations(range(told)))
    for order in orders[:: 2 if told == 3 else 7]:
        owner = sponsor(counter.house)
        paid(counter, owner, 1_000)
        running = campaign(owner, 400)
        dispute = disputed(counter, told=False)
        counter.world.stripe.close_dispute(dispute, won=won)
        events = counter.world.webhooks.take()
        assert len(events) == told
        for position in (*order, *reversed(order)):
            sending = events[position]
            sent = counter.house.client.post(
                "/webhooks/stripe", content=sending.body, headers=sending.headers
            )
            assert sent.status_code == 200
            counter.work(1)
        counter.work(2)
        owner = back(counter, owner)
        shown = mine(owner)
        state = owner.get(f"/v1/campaigns/{running}").json()["state"]
        outcomes.add((shown["prepaid_minor"], shown["owed_minor"], shown["stopped_since"] is None))
        assert state in {"paused", "active"} if won else state == "paused"
    assert outcomes == ({(600, 0, True)} if won else {(0, 400, False)})
    assert of(counter, PLATFORM_ADJUSTMENTS) == 0
    settled(counter)


@pytest.mark.both
def test_an_end_that_is_heard_of_first_stops_nobody(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    running = campaign(owner, 400)
    dispute = disputed(counter, told=False)
    counter.world.stripe.close_dispute(dispute, won=True)
    counter.bring("charge.dispute.closed")
    counter.work(2)
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "active"
    counter.bring()
    counter.work(2)
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "active"
    assert mine(owner)["owed_minor"] == 0
    settled(counter)


def test_what_is_told_again_long_after_the_end_changes_nothing(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    dispute = disputed(counter)
    closed(counter, dispute, won=True)
    running = campaign(back(counter, owner), 400)
    counter.wait(days=7)
    # As if the provider told of the beginning anew, under another id.
    late = Told("stripe", dispute, None, is_over=False)
    now = counter.clock.now()
    counter.house.installation.database.run(lambda session: note(session, late, now))
    counter.work(3)
    owner = back(counter, owner)
    assert mine(owner)["stopped_since"] is None
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "active"
    settled(counter)


@pytest.mark.both
def test_a_dispute_known_before_our_own_record_of_the_payment_stops_it_when_it_comes(
    counter: Counter,
) -> None:
    owner = sponsor(counter.house)
    draft = owner.post("/v1/campaigns", terms()).json()["id"]
    asked(owner, 10_000, campaign_id=draft)
    counter.work(2)
    counter.world.stripe.pay_checkout(at_stripe(counter))
    payment = counter.world.webhooks.take()
    disputed(counter)
    [case] = waiting(finance(counter))
    assert (case["sponsor_id"], case["trouble"], case["state"]) == (None, "no-such-payment", "open")
    assert mine(owner)["stopped_since"] is None
    for sending in payment:
        counter.house.client.post("/webhooks/stripe", content=sending.body, headers=sending.headers)
    counter.work(3)
    owner = back(counter, owner)
    shown = mine(owner)
    # Not one cent reached the campaign, though it was to be funded by the same commit.
    assert (shown["prepaid_minor"], shown["owed_minor"]) == (10_000, 10_000)
    assert shown["stopped_since"] is not None
    [case] = waiting(finance(counter))
    assert (case["sponsor_id"], case["trouble"]) == (str(owner.tenant_id), None)
    settled(counter)


def test_a_dispute_of_a_charge_that_nobody_here_asked_for_waits_for_a_person_and_books_nothing(
    counter: Counter,
) -> None:
    owner = sponsor(counter.house, 500)
    form = {
        "amount": "900",
        "currency": "usd",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "payment_method_types[0]": "card",
    }
    counter.world.stripe.at_the_dashboard("/v1/payment_intents", form)
    dispute = disputed(counter)
    ops = finance(counter)
    [case] = waiting(ops)
    assert (case["trouble"], case["taken"], case["amount"]) == ("no-such-payment", 0, 900)
    assert mine(owner)["stopped_since"] is None
    closed(counter, dispute, won=False)
    counter.wait(days=2)
    now = counter.clock.now()
    found = counter.house.installation.database.read(lambda session: late_work(session, now))
    assert [(one.check, one.subject) for one in found] == [("disputes-are-answered", case["id"])]
    ops = finance(counter)
    assert lift(ops, case["id"]).status_code == 200
    counter.wait(days=1)
    assert waiting(finance(counter)) == []
    assert of(counter, external("stripe")) == 0
    assert counter.house.findings() == []


@pytest.mark.both
def test_one_dispute_told_and_read_by_many_at_once_is_booked_once(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 10_000)
    running = campaign(owner, 4_000)
    dispute = disputed(counter, told=False)
    counter.world.stripe.close_dispute(dispute, won=False)
    events = counter.world.webhooks.take()
    client, installation = counter.house.client, counter.house.installation

    def bring(number: int) -> int:
        sending = events[number % len(events)]
        status: int = client.post(
            "/webhooks/stripe", content=sending.body, headers=sending.headers
        ).status_code
        return status

    assert set(in_parallel(24, bring)) == {200}
    assert installation.stripe is not None
    providers = {"stripe": installation.stripe.payments}
    reading = DisputeWork(installation.database, installation.ledger, providers)
    works = background_of(installation)
    now = counter.clock.now()

    def work(number: int) -> object:
        return reading.run(now) if number % 2 else works.round()

    for _ in range(4):
        in_parallel(8, work)
    counter.work(3)
    owner = back(counter, owner)
    assert (prepaid(owner), mine(owner)["owed_minor"]) == (0, 4_000)
    assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "paused"
    assert of(counter, sponsor_receivable(owner.tenant_id)) == -4_000
    settled(counter)


@pytest.mark.both
def test_who_activates_while_the_dispute_is_told_never_runs_on_it(counter: Counter) -> None:
    installation = counter.house.installation
    for number in range(4):
        owner = sponsor(counter.house)
        paid(counter, owner, 1_000)
        running = campaign(owner, 400)
        owner.post(f"/v1/campaigns/{running}/pause")
        dispute = disputed(counter, told=False)
        [*_, intent] = counter.world.stripe.objects("payment_intent")
        told, now = Told("stripe", dispute, intent["id"], is_over=False), counter.clock.now()

        def race(
            place: int, owner: Caller = owner, running: str = running, told: Told = told, now: Any = now
        ) -> object:
            if place % 4 == 0:
                return installation.database.run(lambda session: note(session, told, now), repeatable=True)
            if place % 4 == 1:
                return fund(owner, running).status_code
            return activate(owner, running).status_code

        in_parallel(8, race)
        assert owner.get(f"/v1/campaigns/{running}").json()["state"] == "paused", number
        assert_problem(activate(owner, running), 409, "sponsor-stopped")
        assert_problem(fund(owner, running), 409, "sponsor-stopped")
        counter.bring()
        counter.work(2)
    settled(counter)


def test_a_question_takes_no_money_and_its_end_lifts_the_stop(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    dispute = disputed(counter, inquiry=True)
    assert mine(owner)["stopped_since"] is not None
    assert mine(owner)["owed_minor"] == 0
    closed(counter, dispute, won=True)
    owner = back(counter, owner)
    assert mine(owner)["stopped_since"] is None
    assert refund(owner, 100).status_code == 202
    counter.work(3)
    assert states(owner) == [("paid", 100)]
    settled(counter)


def test_a_question_may_become_a_dispute(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    dispute = disputed(counter, inquiry=True)
    counter.world.stripe.escalate_dispute(dispute)
    tell(counter)
    assert (mine(owner)["owed_minor"], prepaid(owner)) == (1_000, 1_000)
    closed(counter, dispute, won=False)
    owner = back(counter, owner)
    assert (mine(owner)["owed_minor"], prepaid(owner)) == (0, 0)
    settled(counter)


def test_money_that_comes_back_after_all_is_the_sponsors_as_far_as_it_had_paid(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 10_000)
    campaign(owner, 4_000)
    dispute = disputed(counter)
    closed(counter, dispute, won=False)
    owner = back(counter, owner)
    assert (mine(owner)["owed_minor"], prepaid(owner)) == (4_000, 0)
    # The house gives up a thousand of what is owed.
    debt = sponsor_receivable(owner.tenant_id)
    body = {"debit": PLATFORM_ADJUSTMENTS, "credit": debt, "amount_minor": 1_000, "reason": "write_off"}
    assert finance(counter).post("/v1/ops/adjustments", body, key=str(new_id())).status_code == 201
    counter.world.stripe.reinstate_dispute(dispute)
    tell(counter)
    owner = back(counter, owner)
    assert (mine(owner)["owed_minor"], prepaid(owner)) == (0, 6_000)
    assert of(counter, PLATFORM_ADJUSTMENTS) == 0
    settled(counter)


def test_a_refund_that_was_asked_for_before_waits_for_the_end_of_the_stop(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    paid(counter, owner, 2_000)
    assert refund(owner, 500).status_code == 202
    dispute = disputed(counter, told=False)
    counter.bring()
    background = background_of(counter.house.installation)
    background.round()
    counter.work(3)
    owner = back(counter, owner)
    assert states(owner) == [("asked", 500)]
    assert counter.world.stripe.objects("refund") == []
    closed(counter, dispute, won=True)
    counter.wait(hours=2)
    assert states(back(counter, owner)) == [("paid", 500)]
    settled(counter)


def test_while_the_provider_is_silent_the_stop_stands_and_the_money_is_booked_later(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    counter.world.faults.add("status", method="GET", path="*disputes*", times=50)
    disputed(counter)
    assert mine(owner)["stopped_since"] is not None
    assert mine(owner)["owed_minor"] == 0
    [case] = waiting(finance(counter))
    assert (case["amount"], case["trouble"][:11]) == (None, "retrylater:")
    counter.world.faults.heal()
    counter.wait(minutes=30)
    owner = back(counter, owner)
    assert mine(owner)["owed_minor"] == 1_000
    settled(counter)


def test_while_all_money_is_stopped_a_dispute_is_believed_and_booked_later(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    admin, other = counter.house.caller(Role.OPS_ADMIN), counter.house.caller(Role.OPS_ADMIN)
    assert admin.post("/v1/ops/switches/money.all/on", {"reason": "a test"}).status_code == 200
    dispute = disputed(counter)
    [case] = waiting(finance(counter))
    assert (case["state"], case["trouble"], case["taken"]) == ("open", "switched-off", 0)
    asked_for = admin.post("/v1/ops/switches/money.all/releases", {"reason": "over"}).json()
    path = f"/v1/ops/switch-releases/{asked_for['release_id']}/approve"
    assert other.post(path).status_code == 200, asked_for
    counter.wait(hours=7)
    [case] = waiting(finance(counter))
    assert (case["dispute"], case["trouble"], case["taken"]) == (dispute, None, 1_000)
    settled(counter)


def test_ops_see_how_many_wait_and_it_rings_before_evidence_is_too_late(counter: Counter) -> None:
    owner = sponsor(counter.house)
    paid(counter, owner, 1_000)
    dispute = disputed(counter)
    database = counter.house.installation.database

    def rings() -> list[str]:
        now = counter.clock.now()
        return [one.check for one in database.read(lambda session: late_work(session, now))]

    def given_up() -> int:
        queues = finance(counter).get("/v1/ops/queues").json()["queues"]
        [number] = [one["given_up"] for one in queues if one["name"] == "disputed payments"]
        return int(number)

    assert (given_up(), rings()) == (1, [])
    [case] = waiting(finance(counter))
    assert case["answer_by"] is not None
    counter.wait(days=7)
    assert rings() == ["disputes-are-answered"]
    # Evidence was sent: now the payer's bank decides, which takes weeks.
    counter.world.stripe.at_the_dashboard(f"/v1/disputes/{dispute}", {"submit": "true"})
    tell(counter)
    assert (given_up(), rings()) == (1, [])
    closed(counter, dispute, won=False)
    counter.wait(days=8)
    assert rings() == ["disputes-are-answered"]
    assert lift(finance(counter), case["id"]).status_code == 200
    assert (given_up(), rings()) == (0, [])
    settled(counter)
