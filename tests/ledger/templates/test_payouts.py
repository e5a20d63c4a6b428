"""Points become money that leaves: settled, held, on its way, and then one of two ends."""

from __future__ import annotations

from uuid import UUID

import pytest

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount
from nerava.ledger.templates.driver_cashout import (
    DriverCashout,
    driver_cashout_failed,
    driver_cashout_paid,
    driver_cashout_release,
    driver_cashout_request,
    driver_cashout_returned,
    driver_cashout_submit,
)
from nerava.ledger.templates.merchant_payout import (
    MerchantPayout,
    merchant_payout_failed,
    merchant_payout_paid,
    merchant_payout_release,
    merchant_payout_request,
    merchant_payout_returned,
    merchant_payout_submit,
)
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.values import Chain, Status
from tests.ledger.templates.stage import DAY, DRIVER, FACT, MERCHANT, NOON, SPONSOR, TILL, Stage, read

CASHOUT = DriverCashout(FACT, DRIVER, amount=400, fee=25)
FREE = DriverCashout(FACT, DRIVER, amount=400)
PAYOUT = MerchantPayout(FACT, MERCHANT, amount=255)
GIVEN_BACK = [
    "direct payout:clearing -> nova:reserve 400",
    "direct platform:fees -> nova:reserve 25",
    "direct nova:issuance -> driver:DRIVER:nova 425",
]


def settlement(points: int = 300, **terms: int) -> Chain:
    return merchant_settlement(merchant_id=MERCHANT, period="2026-03", points=points, **terms)  # type: ignore[arg-type]


def wallet() -> Stage:
    """A driver with 500 Nova in two lots, paid for by the house."""
    stage = Stage()
    stage.post(
        sponsor_deposit(checkout_id="cs_1", sponsor_id=SPONSOR, provider="stripe", gross=500),
        promo_funding(funding_id=FACT, sponsor_id=SPONSOR, amount=500),
    )
    for days, points in ((9, 300), (5, 200)):
        stage.post(
            promo_grant(
                kind=PromoKind.ADMIN,
                reference_id=UUID(int=days),
                driver_id=DRIVER,
                points=points,
                points_expire_at=NOON + days * DAY,
            )
        )
    return stage


def requested() -> Stage:
    stage = wallet()
    stage.post(driver_cashout_request(CASHOUT))
    return stage


def owed() -> Stage:
    """A merchant that redeemed 300 and is owed 255 of it."""
    stage = wallet()
    stage.post(
        redemption_show(
            redemption_id=FACT, driver_id=DRIVER, merchant_id=MERCHANT, price=300, expires_at=NOON + DAY
        ),
        redemption_capture(redemption_id=FACT, register_id=TILL, price=300),
        settlement(),
    )
    return stage


def test_a_settlement_burns_the_points_and_pays_out_the_cash_behind_them() -> None:
    assert settlement().key == fact_id(f"merchant_settlement:{MERCHANT}:2026-03")
    assert read(settlement(333)) == [
        "direct merchant:MERCHANT:nova -> nova:issuance 333",
        "direct nova:reserve -> merchant:MERCHANT:payable 284",
        "direct nova:reserve -> platform:fees 49",
    ]
    assert read(settlement(6))[1:] == ["direct nova:reserve -> merchant:MERCHANT:payable 6"]
    assert read(settlement(10, fee_bps=10_000))[1:] == ["direct nova:reserve -> platform:fees 10"]
    assert read(settlement(10, fee_bps=1_000))[2] == "direct nova:reserve -> platform:fees 1"
    with pytest.raises(BadAmount):
        settlement(-1)


def test_a_period_is_settled_once_and_only_with_what_the_merchant_has() -> None:
    stage = owed()

    assert stage.balance(f"merchant:{MERCHANT}:payable") == 255
    assert stage.balance("platform:fees") == 45
    assert stage.balance("nova:reserve") == stage.points().total() == 200
    assert stage.answer(settlement()) is Status.EXISTS
    assert stage.answer(settlement(1)) is Status.CONFLICT


def test_a_cash_out_holds_amount_and_fee_until_somebody_decides() -> None:
    chain = driver_cashout_request(CASHOUT)

    assert (chain.key, chain.template) == (fact_id(f"payout:{FACT}:request"), "driver_cashout")
    assert read(chain) == ["hold driver:DRIVER:nova -> nova:issuance 425"]
    assert chain.transfers[0].expires_at is None
    assert requested().available(f"driver:{DRIVER}:nova") == 75
    too_much = DriverCashout(FACT, DRIVER, amount=500, fee=1)
    assert wallet().answer(driver_cashout_request(too_much)) is Status.INSUFFICIENT


def test_a_cancelled_cash_out_gives_the_points_back() -> None:
    chain = driver_cashout_release(CASHOUT)
    stage = requested()
    stage.post(chain)

    assert chain.key == fact_id(f"payout:{FACT}:release")
    assert read(chain) == ["release of a hold"]
    assert stage.available(f"driver:{DRIVER}:nova") == 500
    assert stage.answer(driver_cashout_submit(CASHOUT)) is Status.HOLD_RESOLVED


def test_a_submitted_cash_out_burns_the_points_and_rests_in_clearing() -> None:
    chain = driver_cashout_submit(CASHOUT)
    stage = requested()
    stage.post(chain)

    assert chain.key == fact_id(f"payout:{FACT}:submit")
    assert read(chain) == [
        "capture of a hold 425",
        "direct nova:reserve -> payout:clearing 400",
        "direct nova:reserve -> platform:fees 25",
    ]
    assert read(driver_cashout_submit(FREE)) == [
        "capture of a hold 400",
        "direct nova:reserve -> payout:clearing 400",
    ]
    assert stage.balances() == {
        "external:stripe": -500,
        "payout:clearing": 400,
        "platform:fees": 25,
        "nova:reserve": 75,
        "nova:issuance": -75,
        f"driver:{DRIVER}:nova": 75,
    }
    assert stage.answer(driver_cashout_release(CASHOUT)) is Status.HOLD_RESOLVED


def test_a_paid_cash_out_leaves_clearing_and_can_never_fail() -> None:
    chain = driver_cashout_paid(CASHOUT, provider="stripe")
    stage = requested()
    stage.post(driver_cashout_submit(CASHOUT), chain)

    assert chain.key == fact_id(f"payout:{FACT}:outcome")
    assert read(chain) == ["direct payout:clearing -> external:stripe 400"]
    assert stage.balance("payout:clearing") == 0
    assert stage.balance("external:stripe") == -100
    assert stage.answer(driver_cashout_failed(CASHOUT)) is Status.CONFLICT


def test_a_failed_cash_out_is_undone_fee_included_and_can_never_be_paid() -> None:
    chain = driver_cashout_failed(CASHOUT)
    stage, untouched = requested(), wallet()
    stage.post(driver_cashout_submit(CASHOUT), chain)

    assert chain.key == fact_id(f"payout:{FACT}:outcome")
    assert read(chain) == GIVEN_BACK
    assert read(driver_cashout_failed(FREE)) == [
        "direct payout:clearing -> nova:reserve 400",
        "direct nova:issuance -> driver:DRIVER:nova 400",
    ]
    assert chain.transfers[2].restores == driver_cashout_submit(CASHOUT).key
    assert stage.balances() == untouched.balances()
    assert stage.points() == untouched.points()
    assert stage.answer(driver_cashout_paid(CASHOUT, provider="stripe")) is Status.CONFLICT


def test_a_cash_out_that_the_bank_sends_back_is_undone_after_it_was_paid() -> None:
    chain = driver_cashout_returned(CASHOUT, provider="stripe")
    stage, untouched = requested(), wallet()
    stage.post(driver_cashout_submit(CASHOUT), driver_cashout_paid(CASHOUT, provider="stripe"), chain)

    assert chain.key == fact_id(f"payout:{FACT}:returned")
    assert read(chain) == ["direct external:stripe -> payout:clearing 400", *GIVEN_BACK]
    assert stage.balances() == untouched.balances()
    assert stage.points() == untouched.points()


def test_a_merchant_payout_holds_what_is_owed() -> None:
    chain = merchant_payout_request(PAYOUT)
    stage = owed()
    stage.post(chain)

    assert (chain.key, chain.template) == (fact_id(f"payout:{FACT}:request"), "merchant_payout")
    assert read(chain) == ["hold merchant:MERCHANT:payable -> payout:clearing 255"]
    assert chain.transfers[0].expires_at is None
    second = MerchantPayout(SPONSOR, MERCHANT, amount=1)
    assert stage.answer(merchant_payout_request(second)) is Status.INSUFFICIENT


def test_a_merchant_payout_that_is_not_submitted_stays_owed() -> None:
    chain = merchant_payout_release(PAYOUT)
    stage = owed()
    stage.post(merchant_payout_request(PAYOUT), chain)

    assert chain.key == fact_id(f"payout:{FACT}:release")
    assert read(chain) == ["release of a hold"]
    assert stage.available(f"merchant:{MERCHANT}:payable") == 255
    assert stage.answer(merchant_payout_submit(PAYOUT)) is Status.HOLD_RESOLVED


def submitted() -> Stage:
    stage = owed()
    stage.post(merchant_payout_request(PAYOUT), merchant_payout_submit(PAYOUT))
    return stage


def test_a_merchant_is_paid_through_clearing() -> None:
    submit, paid = merchant_payout_submit(PAYOUT), merchant_payout_paid(PAYOUT, provider="bank")
    stage = submitted()

    assert submit.key == fact_id(f"payout:{FACT}:submit")
    assert read(submit) == ["capture of a hold 255"]
    assert stage.balance("payout:clearing") == 255
    assert paid.key == fact_id(f"payout:{FACT}:outcome")
    assert read(paid) == ["direct payout:clearing -> external:bank 255"]
    stage.post(paid)
    assert stage.balance("payout:clearing") == 0
    assert stage.answer(merchant_payout_failed(PAYOUT)) is Status.CONFLICT


def test_a_failed_merchant_payout_is_owed_again() -> None:
    chain = merchant_payout_failed(PAYOUT)
    stage = submitted()
    stage.post(chain)

    assert chain.key == fact_id(f"payout:{FACT}:outcome")
    assert read(chain) == ["direct payout:clearing -> merchant:MERCHANT:payable 255"]
    assert stage.balances() == owed().balances()
    assert stage.answer(merchant_payout_paid(PAYOUT, provider="bank")) is Status.CONFLICT


def test_a_merchant_payout_that_the_bank_sends_back_is_owed_again() -> None:
    chain = merchant_payout_returned(PAYOUT, provider="bank")
    stage = submitted()
    stage.post(merchant_payout_paid(PAYOUT, provider="bank"), chain)

    assert chain.key == fact_id(f"payout:{FACT}:returned")
    assert read(chain) == [
        "direct external:bank -> payout:clearing 255",
        "direct payout:clearing -> merchant:MERCHANT:payable 255",
    ]
    assert stage.balances() == owed().balances()
