"""Whatever trouble is played: when it is over and the work is done, the provider's book and ours agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from nerava.simulators.errors import NoSuchThing
from nerava.simulators.scenarios import SCENARIOS
from tests.http.paying import Counter, opened_counter
from tests.http.test_payouts_at_stripe import AMOUNT, left, let_out, row, transfers, until_over

STORIES = {
    "duplicate_everything": ("paid", 1),
    "out_of_order_everything": ("paid", 1),
    "payout_fails_after_paid": ("returned", 0),
    "payout_lost_answer": ("paid", 1),
}


@pytest.fixture
def counter(database_url: Callable[[str], AbstractContextManager[str]], tmp_path: Path) -> Iterator[Counter]:
    with database_url("sqlite") as url, opened_counter(url, tmp_path) as opened:
        opened.world.stripe.deposit(1_000_000)
        yield opened
        assert opened.house.findings() == []


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.chaos) for one in STORIES])
def test_a_payout_comes_to_one_end_at_both(counter: Counter, name: str) -> None:
    end_of_it(counter, name)


def test_a_payout_whose_answer_is_lost_comes_to_one_end_at_both(counter: Counter) -> None:
    end_of_it(counter, "payout_lost_answer")


def end_of_it(counter: Counter, name: str) -> None:
    owner, payout_id, _ = let_out(counter)
    counter.world.play(name)
    counter.work(2)
    assert until_over(counter, payout_id) == "paid"
    for _ in range(16):
        counter.world.advance(timedelta(hours=6))
        counter.bring()
        counter.work(3)
    counter.world.play("over")
    counter.work(3)

    state, sent = STORIES[name]
    assert (row(counter, payout_id).state, len(transfers(counter, payout_id))) == (state, sent)
    kept = 5_000 if state == "returned" else 5_000 - AMOUNT - 25
    assert left(counter, owner) == (kept, 0, 0)


def test_every_trouble_begins_and_ends_by_its_name(counter: Counter) -> None:
    world = counter.world
    headers = {"authorization": f"Bearer {world.control_token}"}
    with httpx2.Client(base_url=f"{world.base_url}/_sim", headers=headers) as http:
        for name, scenario in SCENARIOS.items():
            assert http.post(f"/scenario/{name}").json() == {"name": name, "what": scenario.what}
        place = httpx2.get(f"{world.url_of('places')}/v1/places/any", headers={"x-goog-api-key": "k"})
        stations = httpx2.get(f"{world.url_of('nlr')}/api/alt-fuel-stations/v1/last-updated.json")
        assert (place.status_code, stations.status_code) == (503, 410)
        assert all(one["out"] for one in operators(counter))
        world.advance(timedelta(days=2, seconds=1))
        assert not any(one["out"] for one in operators(counter))
        assert http.post("/scenario/over").status_code == 200
        assert http.post("/scenario/boredom").status_code == 404
    stations = httpx2.get(f"{world.url_of('nlr')}/api/alt-fuel-stations/v1/last-updated.json")
    assert stations.status_code == 403, "it is there, and asks for a key"
    with pytest.raises(NoSuchThing):
        world.play("boredom")


def operators(counter: Counter) -> list[dict[str, object]]:
    return list(counter.world.state("cpo").values())
