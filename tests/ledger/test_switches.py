"""What a switch stops is stopped wherever it comes from, until two people end the stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import exc, text, update

from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import (
    ADJUST,
    EARN,
    FIXED,
    FUNDING,
    MONEY_ALL,
    PARTIES,
    PAYOUT,
    READONLY,
    REDEEM,
    UnknownSwitch,
    checked_name,
)
from nerava.ledger import Ledger, Status, capture, chain, hold, release, transfer
from nerava.ledger.chart import (
    PLATFORM_PROMO,
    driver_nova,
    driver_nova_account,
    external,
    merchant_nova,
    merchant_nova_account,
)
from nerava.ledger.installing import install
from nerava.ledger.stops import ONLY_BY_ALL, STOPPED_BY, SwitchedOff, is_stopped
from nerava.ledger.switch_store import release as release_table
from nerava.ledger.switch_store import switch as switch_table
from nerava.ledger.switches import (
    NotSwitchedOff,
    SelfApproval,
    SwitchBoard,
    UnknownRelease,
    approve_release,
    ask_release,
    list_switches,
    require_off,
    switches_on,
    turn_on,
)
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform.db import Database
from tests.contracts.template_chains import World
from tests.contracts.template_examples import EXAMPLES
from tests.helpers.parallel import in_parallel
from tests.ledger.houses import NOON

if TYPE_CHECKING:
    from nerava.ledger import Chain, Verdict

DRIVER, OTHER, SHOP = (UUID(int=number) for number in (1, 2, 3))


class Shop:
    """A house with two drivers who have points, and a merchant."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.database = database
        self.ledger = ledger
        database.run(self._open)
        self.facts = 0
        assert self.post(transfer(external("bank"), PLATFORM_PROMO, 10_000)) is Status.POSTED
        for driver in (DRIVER, OTHER):
            assert self.submit(self.present(driver)).status is Status.POSTED

    def _open(self, session: Any) -> None:
        install(session, self.ledger, "USD")
        specs = [driver_nova_account(DRIVER), driver_nova_account(OTHER), merchant_nova_account(SHOP)]
        self.ledger.open(session, specs)

    def present(self, driver: UUID = DRIVER, reference: UUID | None = None) -> Chain:
        kind = PromoKind.GOODWILL
        return promo_grant(kind=kind, reference_id=reference or uuid4(), driver_id=driver, points=100)

    def chain(self, *legs: Any, template: str = "move", **more: Any) -> Chain:
        self.facts += 1
        return chain(f"fact:{self.facts}", *legs, template=template, **more)

    def post(self, *legs: Any, **more: Any) -> Status:
        return self.submit(self.chain(*legs, **more)).status

    def submit(self, one: Chain) -> Verdict:
        return self.ledger.submit(one)

    def on(self, name: str, by: str = "o-1") -> bool:
        return self.database.run(lambda session: turn_on(session, name, by=by, reason="drill", now=NOON))

    def ask(self, name: str, by: str = "o-1") -> UUID:
        asked = self.database.run(lambda session: ask_release(session, name, by=by, reason="over", now=NOON))
        return asked.id

    def approve(self, release_id: UUID, by: str = "o-2") -> None:
        self.database.run(lambda session: approve_release(session, release_id, by=by, now=NOON))

    def off(self, name: str) -> None:
        self.approve(self.ask(name))


@pytest.fixture
def shop(database: Database, ledger: Ledger) -> Shop:
    return Shop(database, ledger)


def spend(driver: UUID = DRIVER) -> Any:
    return transfer(driver_nova(driver), merchant_nova(SHOP), 1)


def test_a_stopped_chain_leaves_nothing_and_works_later(shop: Shop) -> None:
    asked = shop.present()
    shop.on(EARN)

    stopped = shop.submit(asked)
    assert (stopped.status, stopped.ok, stopped.transfers, stopped.failed_at) == (
        Status.SWITCHED_OFF,
        False,
        (),
        None,
    )
    assert shop.ledger.balance(driver_nova(DRIVER)).posted == 100

    shop.off(EARN)
    assert shop.submit(asked).status is Status.POSTED


def test_what_was_posted_before_the_stop_is_answered_as_ever(shop: Shop) -> None:
    asked = shop.present()
    first = shop.submit(asked)
    shop.on(MONEY_ALL)

    again = shop.submit(asked)
    assert (again.status, again.transaction_id) == (Status.EXISTS, first.transaction_id)
    clash = promo_grant(kind=PromoKind.GOODWILL, reference_id=uuid4(), driver_id=DRIVER, points=7)
    assert shop.submit(clash).status is Status.SWITCHED_OFF


def test_a_stop_touches_only_its_own_in_a_batch(shop: Shop) -> None:
    shop.on(EARN)
    chains = [shop.present(), shop.chain(spend()), shop.present(OTHER), shop.chain(spend(OTHER))]

    verdicts = shop.database.run(lambda session: shop.ledger.post_many(session, chains))

    assert [one.status for one in verdicts] == [
        Status.SWITCHED_OFF,
        Status.POSTED,
        Status.SWITCHED_OFF,
        Status.POSTED,
    ]


@pytest.mark.parametrize("door", ["submit", "submit_many", "post", "post_many"])
def test_no_door_to_the_ledger_passes_a_stop(shop: Shop, door: str) -> None:
    shop.on(MONEY_ALL)
    one = shop.chain(spend())
    doors: dict[str, Any] = {
        "submit": lambda: shop.ledger.submit(one),
        "submit_many": lambda: shop.ledger.submit_many([one])[0],
        "post": lambda: shop.database.run(lambda session: shop.ledger.post(session, one)),
        "post_many": lambda: shop.database.run(lambda session: shop.ledger.post_many(session, [one])[0]),
    }

    assert doors[door]().status is Status.SWITCHED_OFF


@pytest.mark.parametrize(
    ("template", "legs", "switch", "answer"),
    [
        ("redemption", [hold(driver_nova(DRIVER), merchant_nova(SHOP), 1, expires_at=None)], REDEEM, False),
        ("redemption_refund", [transfer(driver_nova(DRIVER), merchant_nova(SHOP), 1)], REDEEM, True),
        ("driver_cashout", [hold(driver_nova(DRIVER), "nova:issuance", 1, expires_at=None)], PAYOUT, False),
        ("driver_cashout", [transfer("nova:issuance", driver_nova(DRIVER), 1)], PAYOUT, True),
        ("sponsor_deposit", [transfer(external("bank"), PLATFORM_PROMO, 1)], FUNDING, False),
        ("adjustment", [transfer(external("bank"), PLATFORM_PROMO, 1)], ADJUST, False),
        ("expiry", [transfer(driver_nova(DRIVER), "nova:issuance", 1)], ADJUST, True),
        ("session_reward", [transfer("nova:issuance", driver_nova(DRIVER), 1)], REDEEM, True),
    ],
)
def test_each_switch_stops_its_own_and_nothing_else(
    shop: Shop, template: str, legs: list[Any], switch: str, answer: bool
) -> None:
    shop.on(switch)

    assert (shop.post(*legs, template=template) is Status.POSTED) is answer


def test_what_was_reserved_can_be_given_back_while_claims_are_stopped(shop: Shop) -> None:
    codes = [
        shop.chain(hold(driver_nova(DRIVER), merchant_nova(SHOP), 1, expires_at=None), template="redemption")
        for _ in range(2)
    ]
    for one in codes:
        shop.submit(one)
    shop.on(REDEEM)

    assert shop.post(capture(codes[0].key), template="redemption") is Status.SWITCHED_OFF
    assert shop.post(release(codes[1].key), template="redemption") is Status.POSTED


def test_a_party_is_stopped_and_the_rest_goes_on(shop: Shop) -> None:
    held = shop.chain(hold(driver_nova(DRIVER), merchant_nova(SHOP), 1, expires_at=None))
    shop.submit(held)
    shop.on(f"driver:{DRIVER}")

    assert shop.post(spend()) is Status.SWITCHED_OFF
    assert shop.post(capture(held.key)) is Status.SWITCHED_OFF
    assert shop.post(spend(OTHER)) is Status.POSTED

    shop.on(f"merchant:{SHOP}")
    assert shop.post(spend(OTHER)) is Status.SWITCHED_OFF
    assert shop.submit(shop.present(OTHER)).status is Status.POSTED


@pytest.mark.parametrize(
    ("second", "answer"), [("o-2", Status.POSTED), ("o-1", Status.SWITCHED_OFF), (None, Status.SWITCHED_OFF)]
)
def test_money_all_lets_a_reversal_by_two_people_through(
    shop: Shop, second: str | None, answer: Status
) -> None:
    shop.on(MONEY_ALL)

    notes = {"approved_by": second}
    assert shop.post(spend(), template="reversal", actor="o-1", metadata=notes) is answer
    assert shop.post(spend(), template="move", actor="o-1", metadata=notes) is Status.SWITCHED_OFF


def test_read_only_stops_that_reversal_too(shop: Shop) -> None:
    shop.on(READONLY)

    answer = shop.post(spend(), template="reversal", actor="o-1", metadata={"approved_by": "o-2"})
    assert answer is Status.SWITCHED_OFF


def test_another_process_is_stopped_by_its_next_posting(shop: Shop, url: str) -> None:
    with_other = Database(url)
    try:
        with_other.run(lambda session: turn_on(session, MONEY_ALL, by="o-1", reason="r", now=NOON))
    finally:
        with_other.close()

    assert shop.post(spend()) is Status.SWITCHED_OFF


def test_every_template_says_what_stops_it() -> None:
    made = {name.partition(".")[0] for name in EXAMPLES}

    assert STOPPED_BY.keys().isdisjoint(ONLY_BY_ALL)
    assert made == STOPPED_BY.keys() | ONLY_BY_ALL


def test_while_everything_else_is_stopped_only_these_steps_go_on() -> None:
    """All classes are off, but not all money: what gives back, and what only tells what happened."""
    world = World(number=1, gross=10_000, points=100, part=10)
    classes = {switch for switch, _ in STOPPED_BY.values()}
    going = [name for name, example in EXAMPLES.items() if not is_stopped(example.build(world), classes, {})]

    assert sorted(going) == [
        "campaign_refund.campaign_refund_failed",
        "campaign_refund.campaign_refund_paid",
        "campaign_refund.campaign_refund_returned",
        "clawback.clawback",
        "driver_cashout.driver_cashout_failed",
        "driver_cashout.driver_cashout_paid",
        "driver_cashout.driver_cashout_release",
        "driver_cashout.driver_cashout_returned",
        "expiry.expiry",
        "invoice_payment.invoice_payment",
        "merchant_payout.merchant_payout_failed",
        "merchant_payout.merchant_payout_paid",
        "merchant_payout.merchant_payout_release",
        "merchant_payout.merchant_payout_returned",
        "merchant_settlement.merchant_settlement",
        "receivable_netting.receivable_netting",
        "redemption.redemption_expire",
        "redemption.redemption_release",
        "redemption_refund.redemption_refund",
        "session_reward.session_reward_expire",
        "session_reward.session_reward_release",
        "sponsor_dispute.sponsor_dispute_collected",
        "sponsor_dispute.sponsor_dispute_returned",
        "sponsor_dispute.sponsor_dispute_taken",
        "sponsor_refund.sponsor_refund_failed",
        "sponsor_refund.sponsor_refund_paid",
        "sponsor_refund.sponsor_refund_returned",
    ]


# Two people.


def test_one_person_turns_a_switch_on_and_twice_is_once(shop: Shop) -> None:
    assert shop.on(EARN) is True
    assert shop.on(EARN, by="o-2") is False

    (state,) = shop.database.read(list_switches)
    assert (state.name, state.is_on, state.set_by, state.reason) == (EARN, True, "o-1", "drill")


def test_who_asks_cannot_be_who_agrees(shop: Shop) -> None:
    shop.on(EARN)
    asked = shop.ask(EARN, by="o-1")

    with pytest.raises(SelfApproval):
        shop.approve(asked, by="o-1")
    assert shop.database.read(switches_on) == {EARN}

    shop.approve(asked, by="o-2")
    assert shop.database.read(switches_on) == set()


def test_many_who_approve_at_once_end_the_stop_once(shop: Shop) -> None:
    shop.on(EARN)
    asked = shop.ask(EARN)

    def approve(number: int) -> str:
        try:
            shop.approve(asked, by=f"checker-{number}")
        except UnknownRelease:
            return "late"
        return "ended"

    assert sorted(in_parallel(8, approve)) == ["ended", *["late"] * 7]


def test_asking_twice_is_one_request(shop: Shop) -> None:
    shop.on(EARN)

    assert shop.ask(EARN, by="o-1") == shop.ask(EARN, by="o-3")


def test_a_new_stop_overtakes_the_request_to_end_the_old_one(shop: Shop) -> None:
    shop.on(EARN)
    asked = shop.ask(EARN)
    shop.on(EARN, by="o-3")

    with pytest.raises(UnknownRelease):
        shop.approve(asked)
    assert shop.ask(EARN) != asked


def test_a_request_ends_one_stop_and_not_the_next(shop: Shop) -> None:
    shop.on(EARN)
    asked = shop.ask(EARN)
    shop.approve(asked)
    shop.on(EARN)

    shop.approve(asked, by="o-2")  # told again that it is approved; nothing happens
    assert shop.database.read(switches_on) == {EARN}


def test_what_is_not_on_cannot_be_ended(shop: Shop) -> None:
    with pytest.raises(NotSwitchedOff):
        shop.ask(EARN)
    with pytest.raises(UnknownRelease):
        shop.approve(new_id())


def test_the_database_itself_wants_two_people(shop: Shop) -> None:
    shop.on(EARN)
    asked = shop.ask(EARN, by="o-1")
    orders = [
        update(release_table).where(release_table.c.id == asked).values(checker="o-1", approved_at=NOON),
        update(switch_table).values(is_on=False),
        update(switch_table).values(is_on=False, release_id=asked, released_by="o-2"),
        update(switch_table).values(is_on=False, release_id=new_id(), released_by="o-2"),
        text("DELETE FROM kill_switch"),
        text("DELETE FROM switch_release"),
    ]
    for order in orders:
        with pytest.raises(exc.IntegrityError):
            shop.database.run(lambda session, one=order: session.execute(one))  # type: ignore[misc]
    assert shop.database.read(switches_on) == {EARN}


def test_a_release_of_one_switch_does_not_end_another(shop: Shop) -> None:
    shop.on(EARN)
    shop.on(PAYOUT)
    asked = shop.ask(EARN)
    shop.approve(asked)
    values = {"is_on": False, "release_id": asked, "released_by": "o-2"}

    with pytest.raises(exc.IntegrityError):
        shop.database.run(
            lambda session: session.execute(
                update(switch_table).where(switch_table.c.name == PAYOUT).values(**values)
            )
        )


# Names, and asking outside the ledger.


@pytest.mark.parametrize(
    "name", [*FIXED, "campaign:" + str(DRIVER), "driver:" + str(DRIVER), "provider:smartcar", "partner:p"]
)
def test_a_known_name_is_a_switch(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "money",
        "MONEY.ALL",
        "campaign:",
        "campaign:*",
        "campaign:c-1",
        "campaign:a b",
        "user:1",
        "earn ",
        "a\nb",
    ],
)
def test_a_switch_that_would_stop_nothing_is_refused(shop: Shop, name: str) -> None:
    with pytest.raises(UnknownSwitch):
        shop.on(name)


def test_a_party_has_accounts_to_be_stopped() -> None:
    from nerava.ledger.chart import codes_owned  # noqa: PLC0415 - used here alone

    assert all(codes_owned(party, "x") for party in PARTIES)
    assert codes_owned("driver", "x") == ["driver:x:nova"]


def test_the_board_learns_of_a_stop_and_of_its_end(shop: Shop) -> None:
    board = SwitchBoard(shop.database)
    board.require_off("signup", EARN)
    shop.on("signup")
    board.forget()

    with pytest.raises(SwitchedOff) as refused:
        board.require_off("sms", "signup")
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (
        503,
        "switched-off",
        60,
    )

    shop.off("signup")
    board.forget()
    board.require_off("signup")


def test_within_a_transaction_its_own_view_counts(shop: Shop) -> None:
    shop.on(EARN)

    with pytest.raises(SwitchedOff):
        shop.database.read(lambda session: require_off(session, PAYOUT, EARN))
    shop.database.read(lambda session: require_off(session, PAYOUT))
