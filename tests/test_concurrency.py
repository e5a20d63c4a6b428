"""Races for money, truly parallel: threads on both databases, processes on PostgreSQL, 64 wide."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nerava.kernel.clock import FixedClock, SystemClock
from nerava.kernel.ids import fact_id, new_id
from nerava.ledger import Ledger, Status, capture, chain, transfer
from nerava.ledger.chart import campaign_budget, driver_nova, merchant_nova
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.redemption import (
    redemption_capture,
    redemption_expire,
    redemption_release,
    redemption_show,
)
from nerava.ledger.templates.session_reward import (
    SessionGrant,
    session_reward,
    session_reward_capture,
    session_reward_hold,
    session_reward_release,
)
from nerava.merchants.expiring import expire_due
from nerava.platform.db import Database, EngineOptions
from nerava.settings import RedeemingSettings
from tests.helpers.financial_helpers import Books, Note, Reply, findings
from tests.helpers.parallel import (
    WIDTH,
    Call,
    NotParallel,
    Processes,
    Threads,
    in_parallel,
    overlap,
    results_of,
)
from tests.http.conftest import opened_house
from tests.http.shop import code_of as code_for
from tests.http.shop import nova_of, open_shop, rich_driver, show
from tests.payouts.conftest import till
from tests.payouts.test_parallel import (
    test_a_cash_out_and_codes_at_the_register_never_hold_more_than_there_is,
    test_sixty_four_cash_outs_hold_what_the_balance_affords,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from nerava.ledger import Chain
    from tests.helpers.databases import DatabaseUrl
    from tests.helpers.financial_helpers import Way
    from tests.helpers.parallel import Crowd
    from tests.http.shop import Shop

__all__ = [
    "test_a_cash_out_and_codes_at_the_register_never_hold_more_than_there_is",
    "test_sixty_four_cash_outs_hold_what_the_balance_affords",
    "till",
]

OPTIONS = EngineOptions(
    pool_size=16, pool_wait_ms=30_000, lock_timeout_ms=30_000, statement_timeout_ms=30_000
)
SOON = timedelta(hours=1)


def enter(place: tuple[str, Way]) -> tuple[Books, Callable[[], None]]:
    """Open the books in a process of their own."""
    url, way = place
    database = Database(url, OPTIONS)
    books = Books.of(database, way)
    # A caller that still has to connect is not in the race yet.
    with ExitStack() as stack:
        for _ in range(OPTIONS.pool_size if way == "inline" else 1):
            stack.enter_context(database._engine.connect())  # noqa: SLF001 - warms the pool, no more

    def leave() -> None:
        books.ledger.close()
        database.close()

    return books, leave


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Four processes of sixteen threads, started once."""
    with Processes(4) as crowd:
        yield crowd


@pytest.fixture(
    params=[
        ("sqlite", "threads", "submit"),
        ("sqlite", "threads", "inline"),
        ("postgresql", "threads", "submit"),
        ("postgresql", "threads", "inline"),
        ("postgresql", "processes", "submit"),
        ("postgresql", "processes", "inline"),
    ],
    ids="-".join,
)
def scene(request: pytest.FixtureRequest, database_url: DatabaseUrl) -> Iterator[tuple[Books, Crowd]]:
    """A house with open accounts and a crowd to post in it; the audit is clean when the test is over."""
    dialect, kind, way = request.param
    with database_url(dialect) as url:
        database = Database(url, OPTIONS)
        books = Books.opened(database, Ledger(database, SystemClock()), way)
        database.run(Note.create_table)
        crowd: Crowd = Threads(books)
        if kind == "processes":
            crowd = request.getfixturevalue("processes").at((url, way), enter)
        yield books, crowd
        books.ledger.close()
        assert findings(database) == []
        database.close()


# What the callers do. Functions of the module, because other processes must find them.


def grant(books: Books, index: int, campaign_id: UUID, drivers: list[UUID], points: int) -> Reply:
    """Reward a session of its own, the drivers taking turns."""
    driver_id = drivers[index % len(drivers)]
    session_id = fact_id(f"session:{campaign_id}:{index}")
    return books.ask(session_reward(SessionGrant(campaign_id, session_id, driver_id, points)))


def grant_the_same(books: Books, _index: int, one: SessionGrant) -> Reply:
    """Reward one session, with an effect."""
    posting = session_reward(one)
    return books.ask(posting, [Note(posting.key)])


def grant_another_amount(books: Books, index: int, one: SessionGrant) -> Reply:
    """Reward one session with as many points as the caller's number says."""
    return books.ask(session_reward(SessionGrant(one.campaign_id, one.session_id, one.driver_id, index + 1)))


def code_of(redemption_id: UUID, driver_id: UUID, merchant_id: UUID, price: int) -> Chain:
    """Return the chain by which a driver shows a code that is good for a while."""
    return redemption_show(
        redemption_id=redemption_id,
        driver_id=driver_id,
        merchant_id=merchant_id,
        price=price,
        expires_at=datetime.now(UTC) + SOON,
    )


def with_shown_code(books: Books, *, points: int) -> tuple[UUID, UUID, UUID]:
    """Let a driver with so many points show a code of 300; return driver, merchant and redemption."""
    driver_id, merchant_id, redemption_id = books.driver(), new_id(), new_id()
    books.open(merchant_nova(merchant_id))
    books.must(
        session_reward(SessionGrant(books.campaign(500), new_id(), driver_id, points)),
        code_of(redemption_id, driver_id, merchant_id, 300),
    )
    return driver_id, merchant_id, redemption_id


def pay_by_code(books: Books, index: int, driver_id: UUID, merchant_id: UUID, price: int) -> Reply:
    """Show a code of the driver's and capture it at once."""
    redemption_id = fact_id(f"redemption-of:{driver_id}:{index}")
    shown = books.ask(code_of(redemption_id, driver_id, merchant_id, price))
    if shown.status is not Status.POSTED:
        return shown
    return books.ask(redemption_capture(redemption_id=redemption_id, register_id=merchant_id, price=price))


def capture_code(books: Books, index: int, redemption_id: UUID, price: int) -> Reply:
    """Capture one code at a register of the caller's own."""
    register_id = fact_id(f"register:{index}")
    return books.ask(redemption_capture(redemption_id=redemption_id, register_id=register_id, price=price))


def capture_code_at_one_register(books: Books, _index: int, redemption_id: UUID, price: int) -> Reply:
    """Capture one code at one register again and again."""
    return capture_code(books, 0, redemption_id, price)


def resolve_code(books: Books, index: int, redemption_id: UUID, price: int) -> Reply:
    """Capture, withdraw or expire one code."""
    match index % 3:
        case 0:
            return capture_code(books, index, redemption_id, price)
        case 1:
            return books.ask(redemption_release(redemption_id=redemption_id))
        case _:
            return books.ask(redemption_expire(redemption_id=redemption_id))


def settle(books: Books, index: int, one: SessionGrant) -> Reply:
    """Capture, reduce or release one provisional reward."""
    match index % 3:
        case 0:
            return books.ask(session_reward_capture(one))
        case 1:
            return books.ask(session_reward_capture(one, points=one.points // 2))
        case _:
            return books.ask(session_reward_release(one))


def grant_with_promo(books: Books, index: int, one: SessionGrant) -> tuple[Reply, Reply]:
    """Reward a session and make a present, neighbours of one caller in one reserve."""
    mine = SessionGrant(one.campaign_id, fact_id(f"{one.session_id}:{index}"), one.driver_id, one.points)
    promo = promo_grant(
        kind=PromoKind.GOODWILL, reference_id=mine.session_id, driver_id=one.driver_id, points=one.points
    )
    return books.ask(session_reward(mine)), books.ask(promo)


def swap(books: Books, index: int, one: UUID, other: UUID) -> Status:
    """Move a point between two merchants, every second caller the other way round."""
    codes = [merchant_nova(one), merchant_nova(other)]
    debit, credit = codes if index % 2 else reversed(codes)
    return books.ask(chain(f"swap:{one}:{index}", transfer(debit, credit, 1))).status


# What must come of it.


def test_grants_all_land(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    driver_id, campaign_id = books.driver(), books.campaign(1_000)

    answers = crowd.run(grant, WIDTH, campaign_id, [driver_id], 10)

    assert [one.status for one in answers] == [Status.POSTED] * WIDTH
    assert len({one.transaction_id for one in answers}) == WIDTH
    assert books.posted(driver_nova(driver_id), campaign_budget(campaign_id)) == [640, 360]
    assert books.balance(driver_nova(driver_id)).sequence == WIDTH


def test_grants_of_one_campaign_to_many_drivers_all_land(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    drivers, campaign_id = [books.driver() for _ in range(10)], books.campaign(2_000)

    answers = crowd.run(grant, 200, campaign_id, drivers, 10)

    assert {one.status for one in answers} == {Status.POSTED}
    assert books.posted(*map(driver_nova, drivers)) == [200] * 10
    assert books.posted(campaign_budget(campaign_id)) == [0]
    assert books.totals(campaign_id).add_up()


def test_a_budget_of_160_asked_200_times_for_40_grants_4_times_and_is_empty(
    scene: tuple[Books, Crowd],
) -> None:
    books, crowd = scene
    driver_id, campaign_id = books.driver(), books.campaign(160)

    answers = crowd.run(grant, 200, campaign_id, [driver_id], 40)

    assert Counter(one.status for one in answers) == {Status.POSTED: 4, Status.INSUFFICIENT: 196}
    assert books.posted(campaign_budget(campaign_id), driver_nova(driver_id)) == [0, 160]
    totals = books.totals(campaign_id)
    assert (totals.funded, totals.granted, totals.left) == (160, 160, 0)


def test_a_balance_that_affords_one_capture_pays_one(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    driver_id, merchant_id = books.driver(), new_id()
    books.open(merchant_nova(merchant_id))
    books.must(session_reward(SessionGrant(books.campaign(500), new_id(), driver_id, 300)))

    answers = crowd.run(pay_by_code, WIDTH, driver_id, merchant_id, 300)

    assert Counter(one.status for one in answers) == {Status.POSTED: 1, Status.INSUFFICIENT: WIDTH - 1}
    assert books.posted(driver_nova(driver_id), merchant_nova(merchant_id)) == [0, 300]
    assert books.balance(driver_nova(driver_id)).debits_pending == 0


def test_sixty_four_registers_capture_one_code_once(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    driver_id, merchant_id, redemption_id = with_shown_code(books, points=400)

    answers = crowd.run(capture_code, WIDTH, redemption_id, 300)

    assert Counter(one.status for one in answers) == {Status.POSTED: 1, Status.HOLD_RESOLVED: WIDTH - 1}
    assert books.posted(driver_nova(driver_id), merchant_nova(merchant_id)) == [100, 300]


def test_capture_withdrawal_and_expiry_of_one_code_end_it_once(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    driver_id, merchant_id, redemption_id = with_shown_code(books, points=300)

    answers = crowd.run(resolve_code, WIDTH, redemption_id, 300)

    told = Counter(one.status for one in answers)
    # The withdrawal has one key for all who withdraw, so a repetition of it is told the first result.
    assert told[Status.POSTED] == 1
    assert told.keys() <= {Status.POSTED, Status.EXISTS, Status.HOLD_RESOLVED, Status.HOLD_NOT_DUE}
    driver, merchant = books.posted(driver_nova(driver_id), merchant_nova(merchant_id))
    assert (driver, merchant) in {(0, 300), (300, 0)}
    assert books.balance(driver_nova(driver_id)).debits_pending == 0


def test_one_key_has_one_effect(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    one = SessionGrant(books.campaign(10_000), new_id(), books.driver(), 100)

    answers = crowd.run(grant_the_same, WIDTH, one)

    assert Counter(told.status for told in answers) == {Status.POSTED: 1, Status.EXISTS: WIDTH - 1}
    assert len({told.transaction_id for told in answers}) == 1
    assert books.posted(driver_nova(one.driver_id)) == [100]
    assert books.database.read(lambda session: Note.count(session, fact_id(one.fact))) == 1


def test_one_key_that_empties_its_budget_is_told_to_all_who_repeat_it(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    one = SessionGrant(books.campaign(100), new_id(), books.driver(), 100)

    answers = crowd.run(grant_the_same, WIDTH, one)

    assert Counter(told.status for told in answers) == {Status.POSTED: 1, Status.EXISTS: WIDTH - 1}
    assert books.posted(campaign_budget(one.campaign_id), driver_nova(one.driver_id)) == [0, 100]


def test_one_register_that_repeats_its_capture_is_told_the_first_result(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    _, merchant_id, redemption_id = with_shown_code(books, points=300)

    answers = crowd.run(capture_code_at_one_register, WIDTH, redemption_id, 300)

    assert Counter(told.status for told in answers) == {Status.POSTED: 1, Status.EXISTS: WIDTH - 1}
    assert len({told.transaction_id for told in answers}) == 1
    assert books.posted(merchant_nova(merchant_id)) == [300]


def test_one_key_with_sixty_four_bodies_has_the_first_ones_effect(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    one = SessionGrant(books.campaign(10_000), new_id(), books.driver(), 1)

    answers = crowd.run(grant_another_amount, WIDTH, one)

    assert Counter(told.status for told in answers) == {Status.POSTED: 1, Status.CONFLICT: WIDTH - 1}
    winner = [told.status for told in answers].index(Status.POSTED)
    assert books.posted(driver_nova(one.driver_id)) == [winner + 1]


def test_a_provisional_reward_is_settled_once(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    driver_id, campaign_id = books.driver(), books.campaign(10_000, fee_bps=2_000)
    one = SessionGrant(campaign_id, new_id(), driver_id, 100, 25)
    books.must(session_reward_hold(one, settle_by=datetime.now(UTC) + SOON))

    answers = crowd.run(settle, WIDTH, one)

    told = Counter(answer.status for answer in answers)
    # Full and reduced capture are one key with two bodies: a conflict for whoever asked for the other.
    assert told[Status.POSTED] == 1
    assert told.keys() <= {Status.POSTED, Status.EXISTS, Status.HOLD_RESOLVED, Status.CONFLICT}
    assert books.posted(driver_nova(driver_id))[0] in {0, 50, 100}
    totals = books.totals(campaign_id)
    assert totals.held == 0
    assert totals.add_up()


def test_two_kinds_of_grant_share_the_reserve_without_losing_a_point(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    one = SessionGrant(books.campaign(10_000), new_id(), books.driver(), 3)
    promo = "platform:promo"
    sponsor = books.sponsor(1_000)
    books.must(chain("promo", transfer(f"sponsor:{sponsor}:prepaid", promo, 1_000)))

    answers = crowd.run(grant_with_promo, WIDTH, one)

    assert {told.status for pair in answers for told in pair} == {Status.POSTED}
    assert books.posted(driver_nova(one.driver_id), "nova:reserve", promo) == [384, 384, 808]


def test_two_accounts_that_pay_each_other_never_block_for_good(scene: tuple[Books, Crowd]) -> None:
    books, crowd = scene
    one, other, driver_id = new_id(), new_id(), books.driver()
    books.open(merchant_nova(one), merchant_nova(other))
    books.must(session_reward(SessionGrant(books.campaign(500), new_id(), driver_id, 200)))
    books.must(
        chain(
            "stock",
            transfer(driver_nova(driver_id), merchant_nova(one), 100),
            transfer(driver_nova(driver_id), merchant_nova(other), 100),
        )
    )

    answers = crowd.run(swap, WIDTH, one, other)

    assert answers == [Status.POSTED] * WIDTH
    assert books.posted(merchant_nova(one), merchant_nova(other)) == [100, 100]


# The meter itself.


def test_the_meter_counts_what_is_in_flight_at_once() -> None:
    calls = [Call(start, end, 1, 0) for start, end in [(0, 10), (5, 15), (10, 20), (16, 18)]]

    assert overlap(calls) == 2
    assert overlap([]) == 0


@pytest.mark.parametrize("broken", ["sequential", "one process", "failed", "missing"])
def test_the_meter_refuses_calls_that_prove_nothing(broken: str) -> None:
    step = 10 if broken == "sequential" else 0
    failure = "Traceback" if broken == "failed" else None
    calls = [Call(index * step, index * step + 9, 1, index, error=failure) for index in range(8)]
    expected = NotParallel if broken in {"sequential", "one process"} else AssertionError

    with pytest.raises(expected):
        results_of(
            calls, 9 if broken == "missing" else 8, width=8, processes=2 if broken == "one process" else 1
        )

    assert results_of([Call(0, 9, 1, 7 - n, n) for n in range(8)], 8, width=8) == [7, 6, 5, 4, 3, 2, 1, 0]


def test_a_hold_is_captured_once_by_chains_of_one_batch(scene: tuple[Books, Crowd]) -> None:
    books, _ = scene
    driver_id, merchant_id, redemption_id = books.driver(), new_id(), new_id()
    books.open(merchant_nova(merchant_id))
    books.must(session_reward(SessionGrant(books.campaign(500), new_id(), driver_id, 300)))
    show = code_of(redemption_id, driver_id, merchant_id, 300)
    captures = [chain(f"capture:{redemption_id}:{n}", capture(show.key)) for n in range(WIDTH)]

    verdicts = books.ledger.submit_many([show, *captures])

    assert [one.status for one in verdicts] == [Status.POSTED] * 2 + [Status.HOLD_RESOLVED] * (WIDTH - 1)
    assert books.posted(merchant_nova(merchant_id)) == [300]


# Over HTTP: what people are told, and what stands afterwards.


@pytest.fixture
def shop(url: str, tmp_path: Path) -> Iterator[Shop]:
    """A merchant that is open for business; the books are clean when the test is over."""
    with opened_house(url, tmp_path) as house:
        yield open_shop(house)
        assert house.findings() == []


def codes_told(answers: list[Any]) -> Counter[str]:
    """Return how often each answer was given: its status, and its code where it refuses."""
    told = (one.json().get("code", "") if one.status_code >= 400 else "" for one in answers)
    return Counter(f"{one.status_code} {code}".strip() for one, code in zip(answers, told, strict=True))


def test_sixty_four_registers_race_for_one_shown_code_and_one_has_it(shop: Shop) -> None:
    driver = rich_driver(shop.house, 400)
    code, tills = code_for(driver, shop.offer()), [shop.register() for _ in range(WIDTH)]

    answers = in_parallel(WIDTH, lambda index: shop.capture(code, register_id=tills[index]))

    assert codes_told(answers) == {"200": 1, "409 code-already-used": WIDTH - 1}
    assert nova_of(shop.house, driver) == (100, 100)
    assert shop.points == 300


def test_one_register_that_is_asked_sixty_four_times_takes_a_code_once(shop: Shop) -> None:
    driver = rich_driver(shop.house, 400)
    code = code_for(driver, shop.offer())

    answers = in_parallel(WIDTH, lambda _: shop.capture(code))

    assert codes_told(answers) == {"200": 1, "409 code-already-used": WIDTH - 1}
    assert shop.points == 300


def test_one_capture_that_is_sent_sixty_four_times_is_one_and_told_to_all(shop: Shop) -> None:
    driver = rich_driver(shop.house, 400)
    code = code_for(driver, shop.offer())

    answers = in_parallel(WIDTH, lambda _: shop.capture(code, key="one", bill_minor=250))

    assert codes_told(answers) == {"200": WIDTH}
    assert len({one.content for one in answers}) == 1
    assert shop.points == 250


def test_sixty_four_redemptions_of_a_balance_for_one_are_one(shop: Shop) -> None:
    driver, offers = rich_driver(shop.house, 300), [shop.offer() for _ in range(4)]

    answers = in_parallel(WIDTH, lambda index: show(driver, offers[index % 4]))

    assert codes_told(answers) == {"201": 1, "409 insufficient-nova": WIDTH - 1}
    assert nova_of(shop.house, driver) == (300, 0)


def test_a_balance_for_many_gives_one_open_code_for_a_merchant_at_a_time(shop: Shop) -> None:
    driver, offer_id = rich_driver(shop.house, 300 * WIDTH), shop.offer()

    answers = in_parallel(WIDTH, lambda _: show(driver, offer_id))

    assert codes_told(answers) == {"201": 1, "409 code-already-shown": WIDTH - 1}
    assert nova_of(shop.house, driver) == (300 * WIDTH, 300 * (WIDTH - 1))


def test_one_request_for_a_code_that_is_sent_sixty_four_times_gets_one_code(shop: Shop) -> None:
    driver, offer_id = rich_driver(shop.house, 300 * WIDTH), shop.offer()

    answers = in_parallel(WIDTH, lambda _: show(driver, offer_id, "one"))

    assert codes_told(answers) == {"201": WIDTH}
    assert len({one.content for one in answers}) == 1
    assert nova_of(shop.house, driver) == (300 * WIDTH, 300 * (WIDTH - 1))


def test_capture_and_withdrawal_of_one_code_end_it_once(shop: Shop) -> None:
    driver = rich_driver(shop.house, 300)
    shown = show(driver, shop.offer()).json()
    path = f"/v1/redemptions/{shown['id']}"

    def race(index: int) -> Any:
        if index % 2:
            return shop.capture(shown["code"])
        return driver.client.delete(path, headers=driver.headers())

    answers = in_parallel(WIDTH, race)

    told = codes_told(answers)
    state = driver.get(path).json()["state"]
    if state == "captured":
        assert told == {"200": 1, "409 code-already-used": WIDTH - 1}
        assert (nova_of(shop.house, driver), shop.points) == ((0, 0), 300)
    else:
        assert state == "released"
        assert told == {"204": WIDTH // 2, "410 code-withdrawn": WIDTH // 2}
        assert (nova_of(shop.house, driver), shop.points) == ((300, 300), 0)


def test_capture_and_expiry_of_codes_at_one_instant_end_each_once(url: str, tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 3, 2, 18, tzinfo=UTC))
    with opened_house(url, tmp_path, clock, redeeming=RedeemingSettings(code_life_s=60)) as house:
        shop = open_shop(house)
        offer_id, drivers = shop.offer(), [rich_driver(house, 300) for _ in range(24)]
        codes = [code_for(driver, offer_id) for driver in drivers]
        installation, due = house.installation, clock.now() + timedelta(minutes=1)

        def race(index: int) -> Any:
            if index < len(codes):
                return shop.capture(codes[index])
            clock.move_to(due)
            return installation.database.run(lambda session: expire_due(session, installation.ledger, due))

        answers = in_parallel(len(codes) + 8, race)[: len(codes)]
        installation.database.run(lambda session: expire_due(session, installation.ledger, due))

        assert codes_told(answers).keys() <= {"200", "410 code-expired"}
        for driver, answer in zip(drivers, answers, strict=True):
            left = (0, 0) if answer.status_code == 200 else (300, 300)
            assert nova_of(house, driver) == left
        taken = sum(answer.status_code == 200 for answer in answers)
        assert shop.points == 300 * taken
        assert house.findings() == []


def test_refunds_and_voids_of_one_redemption_at_once_never_give_back_more_than_was_taken(shop: Shop) -> None:
    driver = rich_driver(shop.house, 300)
    taken = shop.capture(code_for(driver, shop.offer())).json()["redemption_id"]
    path = f"/v1/merchant/redemptions/{taken}"

    def race(index: int) -> Any:
        if index % 2:
            return shop.owner.post(f"{path}/refunds", {"points": 40}, key=f"r{index}")
        return shop.till.post(f"{path}/void", {"register_id": shop.register_id}, key=f"v{index}")

    answers = in_parallel(WIDTH, race)

    told = codes_told(answers)
    assert told["200"] in {1, 7}
    assert told.keys() <= {"200", "409 not-refundable", "409 refund-above-captured"}
    back = sum(one.json()["points"] for one in answers if one.status_code == 200)
    assert back in {300, 280}
    assert (nova_of(shop.house, driver), shop.points) == ((back, back), 300 - back)


def test_sixteen_codes_for_one_order_are_one(shop: Shop) -> None:
    offer_id = shop.offer()
    drivers = [rich_driver(shop.house, 300) for _ in range(16)]
    codes = [code_for(driver, offer_id) for driver in drivers]

    answers = in_parallel(16, lambda index: shop.capture(codes[index], pos_order_id="A-1"))

    assert codes_told(answers) == {"200": 1, "409 pos-order-taken": 15}
    assert shop.points == 300
