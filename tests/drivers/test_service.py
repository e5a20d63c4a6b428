"""Drivers are made known, on both databases."""

from __future__ import annotations

from nerava.drivers import service as drivers
from nerava.ledger.chart import driver_nova
from nerava.platform.db import Database
from tests.rewards.house import House


def test_a_driver_is_known_by_the_reference_and_has_an_account(database: Database) -> None:
    house = House(database)

    def register(*references: str) -> dict[str, object]:
        return dict(
            database.run(lambda session: drivers.register(session, house.ledger, references, house.now))
        )

    first = register("a", "b", "a")
    second = register("c", "b")

    assert set(first) == {"a", "b"}
    assert second["b"] == first["b"]
    assert len({*first.values(), *second.values()}) == 3
    for driver_id in {*first.values(), *second.values()}:
        assert house.ledger.balance(driver_nova(str(driver_id))).posted == 0
    assert register() == {}
    house.close()
