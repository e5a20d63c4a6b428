"""R12, R13: a disk that fails or is full loses nothing that was acknowledged, and the product goes on after it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from nerava import migrations
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.readiness import Expectations, Readiness, Word
from tests.chaos.conftest import SEED
from tests.chaos.failing_disk import Disk, failing_disk
from tests.helpers.databases import DatabaseUrl
from tests.helpers.financial_helpers import findings
from tests.http.conftest import Caller, House, opened_house
from tests.http.shop import Shop, nova_of, open_shop, rich_driver, show

PRICE = 300
FUNDS = 10_000 * PRICE
SYNC_FAILS = 0.15
WRITE_FAILS = 0.005
"""Of each page; a commit writes some thirty."""


class Form(NamedTuple):
    """How many people buy how much while the disk fails."""

    clients: int
    purchases: int


FORMS = [
    pytest.param(Form(3, 12), id="quick"),
    pytest.param(Form(8, 150), id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(900)]),
]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that does as it is told."""
    with failing_disk(Random(SEED)) as opened:
        yield opened


@pytest.fixture
def house(disk: Disk, database_url: DatabaseUrl, tmp_path: Path) -> Iterator[House]:
    """A house whose books lie on that disk."""
    with database_url("sqlite") as url, opened_house(url, tmp_path) as opened:
        yield opened


class Buyer:
    """A driver who buys, asks again with the same key until somebody knows, and notes every answer."""

    def __init__(self, shop: Shop, driver: Caller, offer_id: str) -> None:
        self.shop, self.driver, self.offer_id = shop, driver, offer_id
        self.taken = 0
        self.told: Counter[str] = Counter()

    def buy(self, purchases: int) -> None:
        """Buy so many times, one after the other."""
        for _ in range(purchases):
            keys = [str(new_id()) for _ in range(2)]
            shown = self._until_known(lambda key=keys[0]: show(self.driver, self.offer_id, key))
            assert shown.status_code == 201, shown.text
            code = shown.json()["code"]
            answer = self._until_known(lambda key=keys[1], code=code: self.shop.capture(code, key=key))
            assert answer.status_code == 200, answer.text
            self.taken += 1

    def _until_known(self, ask: Callable[[], object]) -> object:
        for _ in range(200):
            answer = ask()
            if answer.status_code < 500:
                return answer
            self.told[f"{answer.status_code} {answer.json()['code']}"] += 1
            assert answer.json()["outcome"] in {"unknown", "not_executed"}
        raise AssertionError("never an answer")


@pytest.mark.parametrize("form", FORMS)
def test_r12_a_disk_that_fails_now_and_then_loses_nothing(
    house: House, disk: Disk, form: Form, measured: Callable[[str], None]
) -> None:
    shop = open_shop(house)
    offer_id = shop.offer()
    buyers = [Buyer(shop, rich_driver(house, FUNDS), offer_id) for _ in range(form.clients)]

    disk.sync_fails = SYNC_FAILS
    together(buyers, form.purchases)
    synced = disk.failed
    disk.sync_fails, disk.write_fails = 0.0, WRITE_FAILS
    together(buyers, form.purchases)
    wrote = disk.failed - synced
    disk.heal()

    assert min(synced, wrote) > 0
    told = sum((one.told for one in buyers), Counter())
    assert {answer.split()[0] for answer in told} <= {"503", "507"}, told
    assert house.findings() == []
    for one in buyers:
        assert one.taken == 2 * form.purchases
        assert nova_of(house, one.driver) == (FUNDS - PRICE * one.taken,) * 2
    assert shop.points == PRICE * sum(one.taken for one in buyers)
    # And so another process finds it.
    again = Database(house.installation.settings.database.url)
    assert findings(again) == []
    again.close()
    measured(
        f"R12: {synced} syncs and {wrote} writes failed, told {dict(told)}, {shop.points // PRICE} purchases"
    )


def together(buyers: list[Buyer], purchases: int) -> None:
    """Let everybody buy at the same time; what breaks for one breaks the test."""
    errors: list[BaseException] = []

    def buy(one: Buyer) -> None:
        try:
            one.buy(purchases)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    threads = [threading.Thread(target=buy, args=(one,)) for one in buyers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_r12_three_failures_in_a_row_take_the_process_out_and_a_commit_brings_it_back(
    house: House, disk: Disk
) -> None:
    driver, offer_id = rich_driver(house, FUNDS), open_shop(house).offer()
    ready = Readiness(
        house.installation.database, house.installation.clock, Expectations(schema_head=migrations.head())
    )
    assert ready.check() == ()

    disk.sync_fails = 1.0
    answers = [show(driver, offer_id) for _ in range(3)]
    assert {(one.status_code, one.json()["outcome"]) for one in answers} == {(503, "unknown")}
    assert house.installation.database.storage_failures >= 3
    ready.check()
    assert ready.word is Word.NOT_READY
    assert driver.get("/v1/wallet").status_code == 200  # Reads go on.

    disk.heal()
    ready.check()
    ready.check()
    assert ready.word is Word.READY


def test_r13_a_full_disk_refuses_whole_requests_serves_reads_and_recovers_without_a_restart(
    house: House, disk: Disk
) -> None:
    shop = open_shop(house)
    driver, offer_id = rich_driver(house, FUNDS), shop.offer()
    assert show(driver, offer_id).status_code == 201
    before = nova_of(house, driver)

    disk.is_full = True
    told = {
        (one.status_code, one.json()["code"], one.json()["outcome"])
        for one in (driver.post(f"/v1/offers/{offer_id}/redemptions", key=str(new_id())) for _ in range(5))
    }
    assert told == {(507, "storage-full", "not_executed")}
    assert driver.get("/v1/wallet").status_code == 200
    assert house.findings() == []

    disk.heal()
    other = rich_driver(house, FUNDS)
    assert show(other, offer_id).status_code == 201
    assert house.findings() == []
    assert nova_of(house, driver)[0] == before[0]
