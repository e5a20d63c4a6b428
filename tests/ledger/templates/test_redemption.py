"""A code is a hold with at most one end, and a refund brings back the very points."""

from __future__ import annotations

import pytest

from nerava.kernel.ids import fact_id
from nerava.ledger.chart import NOVA_ISSUANCE, driver_nova
from nerava.ledger.templates.redemption import (
    redemption_capture,
    redemption_capture_key,
    redemption_expire,
    redemption_release,
    redemption_show,
)
from nerava.ledger.templates.redemption_refund import (
    CapturedRedemption,
    RefundAboveCaptured,
    redemption_refund,
)
from nerava.ledger.values import Chain, LotTerms, Status, chain, transfer
from tests.ledger.templates.stage import (
    DAY,
    DRIVER,
    FACT,
    MERCHANT,
    NOON,
    OTHER_FACT,
    OTHER_TILL,
    TILL,
    Stage,
    read,
)

CAPTURED = CapturedRedemption(FACT, TILL, DRIVER, MERCHANT, points=300)
DRIVER_NOVA = driver_nova(DRIVER)


def shown(price: int = 300) -> Chain:
    return redemption_show(
        redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=price, expires_at=NOON + DAY
    )


def captured(bill: int | None = None, till: object = TILL) -> Chain:
    return redemption_capture(redemption_id=FACT, register_id=till, price=300, bill=bill)  # type: ignore[arg-type]


def refunded(points: int, redemption: CapturedRedemption = CAPTURED) -> Chain:
    return redemption_refund(refund_id=OTHER_FACT, redemption=redemption, points=points)


def wallet() -> Stage:
    """A driver with two lots: 200 that expire in 5 days, 250 that expire in 9."""
    stage = Stage()
    for source, points, days in (("late", 250, 9), ("soon", 200, 5)):
        lot = LotTerms(source, NOON + days * DAY)
        stage.post(chain(f"lot:{source}", transfer(NOVA_ISSUANCE, DRIVER_NOVA, points, lot=lot)))
    return stage


def test_showing_a_code_holds_its_price() -> None:
    assert shown().key == fact_id(f"redemption:{FACT}")
    assert read(shown()) == ["hold driver:DRIVER:nova -> merchant:MERCHANT:nova 300"]
    assert shown().transfers[0].expires_at == NOON + DAY
    assert wallet().answer(shown(451)) is Status.INSUFFICIENT


def test_the_register_takes_the_price_or_the_bill_if_that_is_less() -> None:
    assert captured().key == fact_id(f"redemption:{FACT}:capture:{TILL}")
    assert read(captured()) == ["capture of a hold 300"]
    assert read(captured(bill=120)) == ["capture of a hold 120"]
    assert read(captured(bill=301)) == ["capture of a hold 300"]
    stage = wallet()
    stage.post(shown(), captured(bill=120))
    assert (stage.balance(f"merchant:{MERCHANT}:nova"), stage.available(DRIVER_NOVA)) == (120, 330)


def test_of_two_registers_one_wins_and_only_the_winner_may_repeat_itself() -> None:
    stage = wallet()
    stage.post(shown(), captured())

    assert stage.answer(captured(till=OTHER_TILL)) is Status.HOLD_RESOLVED
    assert stage.answer(captured()) is Status.EXISTS
    assert stage.answer(captured(bill=10)) is Status.CONFLICT
    assert stage.answer(redemption_release(redemption_id=FACT)) is Status.HOLD_RESOLVED


def test_a_withdrawn_code_gives_the_points_back() -> None:
    release = redemption_release(redemption_id=FACT)
    stage = wallet()
    stage.post(shown(), release)

    assert release.key == fact_id(f"redemption:{FACT}:release")
    assert read(release) == ["release of a hold"]
    assert stage.available(DRIVER_NOVA) == 450
    assert stage.answer(captured()) is Status.HOLD_RESOLVED


def test_a_code_that_nobody_took_in_time_gives_the_points_back() -> None:
    expiry = redemption_expire(redemption_id=FACT)
    stage = wallet()
    stage.post(shown())

    assert expiry.key == fact_id(f"redemption:{FACT}:expire")
    assert read(expiry) == ["expire of a hold"]
    assert stage.answer(expiry) is Status.HOLD_NOT_DUE
    stage.now = NOON + DAY
    assert stage.answer(captured()) is Status.HOLD_EXPIRED
    stage.post(expiry)
    assert stage.available(DRIVER_NOVA) == 450


def test_a_refund_brings_back_the_points_with_the_expiry_they_had() -> None:
    stage = wallet()
    before = stage.points()
    stage.post(shown(), captured())
    assert stage.points() == {(str(DRIVER), "late", NOON + 9 * DAY): 150}
    stage.post(refunded(300))

    assert refunded(300).key == fact_id(f"redemption_refund:{FACT}:{OTHER_FACT}")
    assert read(refunded(300)) == ["direct merchant:MERCHANT:nova -> driver:DRIVER:nova 300"]
    assert refunded(300).transfers[0].restores == captured().key == redemption_capture_key(FACT, TILL)
    assert stage.points() == before


def test_refunds_are_never_more_than_what_was_captured() -> None:
    twice = CapturedRedemption(FACT, TILL, DRIVER, MERCHANT, points=300, refunded=100)

    assert len(refunded(200, twice).transfers) == 1
    with pytest.raises(
        RefundAboveCaptured, match=r"^300 were captured and 100 refunded, so 201 are too many$"
    ) as refused:
        refunded(201, twice)
    assert (refused.value.code, refused.value.status) == ("refund-above-captured", 409)


def test_a_merchant_that_has_been_settled_has_nothing_to_refund_with() -> None:
    stage = wallet()
    stage.post(shown(), captured(bill=100))

    assert stage.answer(refunded(101)) is Status.INSUFFICIENT
