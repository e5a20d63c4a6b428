"""R02, R03, R04: round after round, one balance pays once, every credit counts, one key has one effect.

The quick forms are `tests/test_concurrency.py` and, over HTTP, `tests/http/test_money_by_key.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from nerava.kernel.ids import new_id
from nerava.ledger import Status
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from tests.chaos.life import FAR
from tests.helpers.financial_helpers import Books
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from nerava.ledger import Chain, Ledger
    from nerava.platform.db import Database

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

ROUNDS: Final = 20
ROUND_MAX_S: Final = 5
WIDTH: Final = 64
PRICE: Final = 300


@pytest.fixture(params=["submit", "inline"])
def books(request: pytest.FixtureRequest, database: Database, ledger: Ledger) -> Books:
    """The books of a new house, posting one way or the other."""
    return Books.opened(database, ledger, request.param)


def redeem(books: Books, driver_id: UUID, merchant_id: UUID) -> Status:
    """Show a code and have it taken at once."""
    redemption_id = new_id()
    shown = books.post(
        redemption_show(
            redemption_id=redemption_id,
            driver_id=driver_id,
            merchant_id=merchant_id,
            price=PRICE,
            expires_at=FAR,
        )
    )
    if not shown.ok:
        return shown.status
    return books.post(
        redemption_capture(redemption_id=redemption_id, register_id=new_id(), price=PRICE)
    ).status


def test_r02_a_balance_for_one_pays_one_of_sixty_four_in_every_round(
    books: Books, measured: Callable[[str], None]
) -> None:
    merchant_id = new_id()
    books.open(merchant_nova(merchant_id))
    campaign_id = books.campaign(ROUNDS * PRICE)
    longest_s = 0.0
    for number in range(1, ROUNDS + 1):
        driver_id = books.driver()
        books.must(session_reward(SessionGrant(campaign_id, new_id(), driver_id, PRICE)))
        started = time.monotonic()

        answers = in_parallel(WIDTH, lambda _, driver_id=driver_id: redeem(books, driver_id, merchant_id))

        longest_s = max(longest_s, time.monotonic() - started)
        assert Counter(answers) == {Status.POSTED: 1, Status.INSUFFICIENT: WIDTH - 1}
        assert books.posted(driver_nova(driver_id), merchant_nova(merchant_id)) == [0, number * PRICE]
    assert longest_s < ROUND_MAX_S
    assert books.findings() == []
    measured(f"R02 {books.database.dialect} {books.way}: {ROUNDS} rounds, the longest {longest_s:.2f} s")


def test_r03_sixteen_times_twenty_five_credits_to_one_driver_all_count(books: Books) -> None:
    for _ in range(ROUNDS // 4):
        driver_id = books.driver()
        campaigns = [books.campaign(50 * 7) for _ in range(8)]
        grants = [SessionGrant(campaigns[index % 8], new_id(), driver_id, 7) for index in range(400)]

        answers = in_parallel(400, lambda index, of=grants: books.status(session_reward(of[index])), width=16)

        assert Counter(answers) == {Status.POSTED: 400}
        assert books.posted(driver_nova(driver_id)) == [400 * 7]
    assert books.findings() == []


def test_r04_a_hundred_callers_with_one_key_have_one_effect(books: Books) -> None:
    for _ in range(ROUNDS):
        driver_id, campaign_id, session_id = books.driver(), books.campaign(1_000), new_id()

        def reward(points: int, to: UUID = driver_id, by: UUID = campaign_id, of: UUID = session_id) -> Chain:
            return session_reward(SessionGrant(by, of, to, points))

        answers = in_parallel(100, lambda _, ask=reward: books.ask(ask(40)))

        assert Counter(one.status for one in answers) == {Status.POSTED: 1, Status.EXISTS: 99}
        assert len({one.transaction_id for one in answers}) == 1
        assert books.status(reward(41)) is Status.CONFLICT
        assert books.posted(driver_nova(driver_id)) == [40]
    assert books.findings() == []
