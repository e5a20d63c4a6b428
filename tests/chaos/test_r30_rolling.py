"""R30: several processes serve one PostgreSQL as one would, and are replaced one by one without a lost request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nerava.kernel.ids import new_id
from nerava.ledger.chart import driver_nova
from tests import test_concurrency as races
from tests.chaos.fleet import END_MAX_S, WEB, Fleet, opened_fleet, spread_over
from tests.helpers.databases import fresh_databases
from tests.helpers.parallel import in_parallel
from tests.http.flows import cash_out, payee
from tests.http.shop import Shop, nova_of, open_shop, rich_driver

if TYPE_CHECKING:
    from tests.chaos.fleet import Spread
    from tests.http.conftest import Caller, House

PRICE = 300


class Form(NamedTuple):
    """How much goes on while the fleet is replaced.

    Attributes:
        clients: Drivers who buy one coffee after the other.
        rounds: How often every process is replaced.
        least: At least so many coffees are bought in all.
    """

    clients: int
    rounds: int
    least: int


FORMS = [
    pytest.param(Form(3, 1, 20), id="quick"),
    pytest.param(Form(8, 6, 1_000), id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(1_800)]),
]

long = pytest.mark.chaos
RACES = [
    races.test_sixty_four_registers_race_for_one_shown_code_and_one_has_it,
    races.test_one_capture_that_is_sent_sixty_four_times_is_one_and_told_to_all,
    races.test_sixty_four_redemptions_of_a_balance_for_one_are_one,
    races.test_capture_and_withdrawal_of_one_code_end_it_once,
    pytest.param(races.test_one_register_that_is_asked_sixty_four_times_takes_a_code_once, marks=long),
    pytest.param(races.test_a_balance_for_many_gives_one_open_code_for_a_merchant_at_a_time, marks=long),
    pytest.param(races.test_one_request_for_a_code_that_is_sent_sixty_four_times_gets_one_code, marks=long),
    pytest.param(
        races.test_refunds_and_voids_of_one_redemption_at_once_never_give_back_more_than_was_taken, marks=long
    ),
    pytest.param(races.test_sixteen_codes_for_one_order_are_one, marks=long),
]


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two web processes and two workers on one PostgreSQL."""
    folder = tmp_path_factory.mktemp("fleet")
    with fresh_databases(request, folder)("postgresql") as url, opened_fleet(url, folder) as opened:
        yield opened


@pytest.mark.parametrize("race", RACES)
def test_a_race_for_money_ends_the_same_over_two_processes(
    fleet: Fleet, race: Callable[[Shop], None]
) -> None:
    with spread_over(fleet) as (house, client):
        race(open_shop(house))
        assert house.findings() == []
        assert min(client.served[number] for number in range(2)) > 0


@pytest.mark.parametrize(("width", "rounds"), [(16, 1), pytest.param(64, 3, marks=long)])
def test_cash_outs_of_one_balance_over_two_processes_are_as_many_as_it_affords(
    fleet: Fleet, width: int, rounds: int
) -> None:
    with spread_over(fleet) as (house, client):
        for _ in range(rounds):
            race_for_a_balance(fleet, house, width)
        assert house.findings() == []
        assert len({one.pid for one in fleet.members if one.kind == WEB}) == 2
        assert min(client.served[number] for number in range(2)) > 0


def race_for_a_balance(fleet: Fleet, house: House, width: int) -> None:
    """Let a driver who can afford two cash-outs ask for many at once, and then for one of them many times."""
    here, method_id = payee(fleet.house, 2_500)  # Their bank is that of the house in this process.
    owner = replace(here, client=house.client)

    told = Counter(a.status_code for a in in_parallel(width, lambda _: cash_out(owner, method_id, 1_000)))
    assert (told[202], told[409] + told[429]) == (2, width - 2)
    assert house.books.balance(driver_nova(owner.tenant_id)).debits_pending == 2_050

    same = in_parallel(width, lambda _: cash_out(owner, method_id, 100, key="one"))
    assert {answer.status_code for answer in same} == {202}
    assert len({answer.content for answer in same}) == 1


class Regular:
    """A driver who buys one coffee after the other, and every answer they were given that is none."""

    def __init__(self, shop: Shop, driver: Caller, offer_id: str) -> None:
        self.shop, self.driver, self.offer_id = shop, driver, offer_id
        self.bought = 0
        self.failed: list[str] = []

    def buy_until(self, ended: threading.Event) -> None:
        """Buy until it is over, or a request fails."""
        while not ended.is_set() and self.buy():
            pass

    def buy(self) -> bool:
        """Show a code and have it taken, each with a key that stays the same however often it is asked."""
        shown = self.driver.post(f"/v1/offers/{self.offer_id}/redemptions", key=str(new_id()))
        taken = self.shop.capture(shown.json()["code"]) if shown.status_code == 201 else shown
        if taken.status_code != 200:
            self.failed.append(f"{taken.status_code} {taken.text}")
            return False
        self.bought += 1
        return True


def replaced_under_load(fleet: Fleet, form: Form, *, looks: bool) -> tuple[list[Regular], Spread, Shop]:
    """Let regulars buy while every process is replaced in turn; return who bought what, and their client."""
    with ExitStack() as stack:
        house, client = stack.enter_context(spread_over(fleet, looks=looks))
        shop = open_shop(house)
        offer_id = shop.offer()
        regulars = [Regular(shop, rich_driver(house, 10_000 * PRICE), offer_id) for _ in range(form.clients)]
        ended = threading.Event()
        threads = [threading.Thread(target=one.buy_until, args=(ended,)) for one in regulars]
        for thread in threads:
            thread.start()
        try:
            for _ in range(form.rounds):
                for member in fleet.members:
                    member.restart()
            while sum(one.bought for one in regulars) < form.least and any(one.is_alive() for one in threads):
                threads[0].join(0.1)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        return regulars, client, shop


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "looks",
    [pytest.param(True, id="behind a balancer", marks=long), pytest.param(False, id="without one")],
)
def test_every_process_is_replaced_under_load_and_no_request_for_money_fails(
    fleet: Fleet, form: Form, looks: bool, measured: Callable[[str], None]
) -> None:
    before = [len(one.ends) for one in fleet.members]

    regulars, client, shop = replaced_under_load(fleet, form, looks=looks)

    assert [one.failed for one in regulars if one.failed] == []
    assert fleet.house.findings() == []
    for one in regulars:
        left = (10_000 - one.bought) * PRICE
        assert nova_of(fleet.house, one.driver) == (left, left)
    bought = sum(one.bought for one in regulars)
    assert fleet.house.books.posted(f"merchant:{shop.merchant_id}:nova") == [bought * PRICE]
    assert bought >= form.least
    ends = [end for one, first in zip(fleet.members, before, strict=True) for end in one.ends[first:]]
    assert len(ends) == form.rounds * len(fleet.members)
    assert {code for code, _ in ends} == {0}
    assert max(took for _, took in ends) < END_MAX_S
    if looks:
        # Who is told which process is ready meets none that is gone.
        assert client.repeated.keys() <= {"none is ready"}
    measured(
        f"R30: {len(ends)} processes replaced, {bought} purchases, 0 failed, asked again {dict(client.repeated)}, "
        f"longest end {max(took for _, took in ends):.1f} s"
    )
