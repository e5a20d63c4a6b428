"""S18: however many codes are guessed at a merchant's registers, twenty an hour are looked up and none is hit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.merchants.code_text import BITS, spell
from tests.helpers.parallel import in_parallel
from tests.http.conftest import House, opened_house
from tests.http.shop import Shop, code_of, nova_of, open_shop, rich_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from random import Random

REGISTERS = 10
DRIVERS = 20
PRICE = 300
AT_ONCE = 400
AN_HOUR = 20
"""How many wrong codes of one merchant are looked up in an hour."""


@pytest.mark.parametrize(
    "guesses", [400, pytest.param(100_000, marks=[pytest.mark.chaos, pytest.mark.timeout(3_600)])]
)
def test_of_all_guesses_none_is_hit_and_a_locked_merchant_takes_no_code(
    url: str, tmp_path: Path, guesses: int, rng: Random, measured: Callable[[str], None]
) -> None:
    with opened_house(url, tmp_path) as house:
        answers = _guess(house, guesses, rng)
        assert house.findings() == []
    assert set(answers) == {"unknown-code", "rate-limited"}
    assert AN_HOUR <= answers["unknown-code"] <= AN_HOUR * (1 + guesses // 10_000)
    measured(f"S18: {dict(answers)}")


def _guess(house: House, guesses: int, rng: Random) -> Counter[str]:
    shop = open_shop(house)
    registers = [shop.register_id, *(shop.register() for _ in range(REGISTERS - 1))]
    offer_id = shop.offer(price_nova=PRICE)
    drivers = [rich_driver(house) for _ in range(DRIVERS)]
    shown = [code_of(driver, offer_id) for driver in drivers]
    answers: Counter[str] = Counter()
    for _ in range(guesses // AT_ONCE):
        # A token lives for ten minutes, and all of them together may take longer.
        fresh = replace(shop, till=house.caller(Role.MERCHANT_REGISTER, shop.merchant_id))
        texts = [spell(rng.getrandbits(BITS)) for _ in range(AT_ONCE)]

        def guess(number: int, fresh: Shop = fresh, texts: Sequence[str] = texts) -> str:
            told = fresh.capture(texts[number], register_id=registers[number % REGISTERS])
            return str(told.json()["code"])

        answers += Counter(in_parallel(AT_ONCE, guess, width=16))

    assert fresh.capture(shown[0], register_id=registers[0]).status_code == 429
    assert [nova_of(house, driver) for driver in drivers] == [(1_000, 1_000 - PRICE)] * DRIVERS
    assert shop.manager.get("/v1/merchant/redemptions").json()["items"] == []
    return answers
