"""The chart of accounts: every code, its meaning and its limits, word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerava.kernel.money import BadAmount
from nerava.ledger import chart
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.chart import AccountKind, ParsedCode, UnknownAccountCode, UnknownCurrency

if TYPE_CHECKING:
    from collections.abc import Callable

ID = UUID("0190b7a0-0000-7000-8000-0000000000aa")
TEXT = "0190b7a0-0000-7000-8000-0000000000aa"

OWNED: list[tuple[Callable[[], AccountSpec], AccountSpec]] = [
    (
        lambda: chart.external_account("stripe", "USD"),
        AccountSpec("external:stripe", "USD", "external", "stripe", floor=None),
    ),
    (
        lambda: chart.sponsor_prepaid_account(ID, "USD"),
        AccountSpec(f"sponsor:{TEXT}:prepaid", "USD", "sponsor_prepaid", TEXT, floor=0),
    ),
    (
        lambda: chart.campaign_budget_account(ID, "EUR"),
        AccountSpec(f"campaign:{TEXT}:budget", "EUR", "campaign_budget", TEXT, floor=0),
    ),
    (
        lambda: chart.campaign_fee_account(ID, "USD"),
        AccountSpec(f"campaign:{TEXT}:fee", "USD", "campaign_fee", TEXT, floor=0),
    ),
    (
        lambda: chart.merchant_payable_account(ID, "USD"),
        AccountSpec(f"merchant:{TEXT}:payable", "USD", "merchant_payable", TEXT, floor=0),
    ),
    (
        lambda: chart.sponsor_receivable_account(ID, "USD"),
        AccountSpec(f"sponsor:{TEXT}:receivable", "USD", "sponsor_receivable", TEXT, floor=None, ceiling=0),
    ),
    (
        lambda: chart.merchant_receivable_account(ID, "USD"),
        AccountSpec(f"merchant:{TEXT}:receivable", "USD", "merchant_receivable", TEXT, floor=None, ceiling=0),
    ),
    (
        lambda: chart.driver_nova_account(ID),
        AccountSpec(f"driver:{TEXT}:nova", "NOVA", "driver_nova", TEXT, floor=0, keeps_lots=True),
    ),
    (
        lambda: chart.driver_nova_account(ID, allowance=50),
        AccountSpec(f"driver:{TEXT}:nova", "NOVA", "driver_nova", TEXT, floor=-50, keeps_lots=True),
    ),
    (
        lambda: chart.merchant_nova_account(ID),
        AccountSpec(f"merchant:{TEXT}:nova", "NOVA", "merchant_nova", TEXT, floor=0),
    ),
]


@pytest.mark.parametrize(("maker", "expected"), OWNED, ids=[one.code for _, one in OWNED])
def test_an_account_is_opened_as_the_chart_says(
    maker: Callable[[], AccountSpec], expected: AccountSpec
) -> None:
    assert maker() == expected


def test_the_house_has_its_own_accounts_and_one_for_each_provider() -> None:
    assert chart.house_accounts("EUR", ["stripe", "bank"]) == [
        AccountSpec("nova:reserve", "EUR", "nova_reserve"),
        AccountSpec("payout:clearing", "EUR", "payout_clearing"),
        AccountSpec("platform:promo", "EUR", "platform_promo"),
        AccountSpec("platform:fees", "EUR", "platform_fees"),
        AccountSpec("platform:breakage", "EUR", "platform_breakage"),
        AccountSpec("platform:adjustments", "EUR", "platform_adjustments", floor=None),
        AccountSpec("processor:fees", "EUR", "processor_fees", floor=None),
        AccountSpec("nova:issuance", "NOVA", "nova_issuance", floor=None),
        AccountSpec("external:stripe", "EUR", "external", "stripe", floor=None),
        AccountSpec("external:bank", "EUR", "external", "bank", floor=None),
    ]


def test_every_kind_of_account_can_be_opened_and_found_again() -> None:
    opened = [maker() for maker, _ in OWNED] + chart.house_accounts("USD", [])

    assert {spec.kind for spec in opened} == {kind.value for kind in AccountKind}
    assert all(chart.kind_of(spec.code) == spec.kind for spec in opened)
    assert all(chart.parse_code(spec.code).owner == spec.owner for spec in opened)
    assert all(chart.is_nova(spec.code) == (spec.asset == "NOVA") for spec in opened)
    assert all(chart.keeps_lots(spec.code) == spec.keeps_lots for spec in opened)
    assert all(type(spec.kind) is str for spec in opened), "a database driver would write an enum by its name"


@pytest.mark.parametrize(
    "code",
    [
        "",
        "nova",
        "nova:reserve ",
        " nova:reserve",
        "nova:reserve:x",
        "driver::nova",
        "driver:a:b:nova",
        "driver:A:nova",
        "driver:{}:nova",
        "driver:-a:nova",
        "driver:a:novas",
        "xdriver:a:nova",
        "driver:a:nova\n",
        f"driver:{'a' * 65}:nova",
        "external:",
        "campaign:a:budgets",
        "payout-clearing",
    ],
)
def test_a_code_outside_the_chart_names_no_account(code: str) -> None:
    with pytest.raises(UnknownAccountCode) as refused:
        chart.parse_code(code)

    assert (refused.value.code, refused.value.status) == ("unknown-account-code", 422)
    assert repr(code) in refused.value.detail


def test_an_owner_may_be_a_word_of_64_characters() -> None:
    owner = "0a._-" + "a" * 59

    assert chart.parse_code(chart.driver_nova(owner)) == ParsedCode(AccountKind.DRIVER_NOVA, owner)


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDX", "NOVA", "U5D"])
def test_only_a_currency_can_be_the_asset_of_cash(currency: str) -> None:
    with pytest.raises(UnknownCurrency) as refused:
        chart.account_of("nova:reserve", currency)

    assert (refused.value.code, refused.value.status) == ("unknown-currency", 422)
    assert repr(currency) in refused.value.detail


@pytest.mark.parametrize("allowance", [-1, 1.5, True])
def test_an_allowance_is_a_whole_number_of_at_least_zero(allowance: int) -> None:
    with pytest.raises(BadAmount, match=r"^an allowance must be a whole number of at least 0, not "):
        chart.driver_nova_account(ID, allowance=allowance)


@settings(deadline=None)
@given(
    st.text(),
    st.sampled_from([chart.external, chart.driver_nova, chart.merchant_nova, chart.campaign_fee]),
)
def test_no_owner_can_take_the_account_of_another(owner: str, name: Callable[[str], str]) -> None:
    try:
        parsed = chart.parse_code(name(owner))
    except UnknownAccountCode:
        return
    assert parsed.owner == owner
