"""Every statement of every party adds up to the ledger, and the ledger to what lies at the bank."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nerava.ledger.chart import NOVA_RESERVE, PAYOUT_CLEARING, PLATFORM_BREAKAGE, external, merchant_nova
from nerava.payouts.totals import total_at
from tests.e2e.chapters.referring import BUDGET

if TYPE_CHECKING:
    from tests.e2e.chapters.campaigns import Campaigns
    from tests.e2e.chapters.cashing_out import CashingOut
    from tests.e2e.chapters.claiming import Claiming
    from tests.e2e.chapters.deposits import Deposits
    from tests.e2e.chapters.redeeming import Redeeming
    from tests.e2e.chapters.settling import Settling
    from tests.e2e.year import Year


def drivers_add_up(year: Year, redeeming: Redeeming, cashing_out: CashingOut) -> Counter[str]:
    """Read every driver's statement to its end, and return what the lines of all come to, by template."""
    total: Counter[str] = Counter()
    for driver in year.drivers:
        wallet, lines = driver.get("/v1/wallet"), driver.every("/v1/wallet/statement")
        mine: Counter[str] = Counter()
        for line in lines:
            mine[line["template"]] += line["change"]
        assert mine.total() == wallet["posted"] == wallet["available"]
        assert [line["sequence"] for line in lines] == list(range(len(lines), 0, -1))
        assert mine["redemption"] + mine["redemption_refund"] == -redeeming.spent[driver.tenant_id]
        assert mine["driver_cashout"] == -cashing_out.left[driver.tenant_id]
        total.update(mine)
    return total


def merchants_add_up(year: Year, redeeming: Redeeming, settling: Settling) -> int:
    """Return what all merchants have taken and not settled."""
    kept = 0
    for shop in redeeming.shops:
        posted: int = year.holds(merchant_nova(shop.merchant_id))["posted"]
        assert posted == redeeming.taken[shop.merchant_id] - settling.settled[shop.merchant_id]
        kept += posted
    return kept


def grants_add_up(year: Year, lines: Counter[str], campaigns: Campaigns) -> None:
    """Compare what drivers were given, less what expired and was taken back, with what campaigns paid for it.

    What expired and went back to nobody is the house's, and what it is worth stands there.
    """
    given = lines["session_reward"] + lines["expiry"] + lines["clawback"]
    assert campaigns.granted - given == year.holds(PLATFORM_BREAKAGE)["posted"]


def sponsors_add_up(year: Year, deposits: Deposits, campaigns: Campaigns) -> None:
    """Compare what sponsors have left with what they paid, put into campaigns, got back and lost."""
    for owner in year.sponsors:
        who = owner.tenant_id
        came = deposits.paid[who] + deposits.wired[who] + campaigns.given_back[who]
        went = campaigns.funded[who] + deposits.returned[who] + deposits.collected[who]
        assert owner.get("/v1/sponsor")["prepaid_minor"] == came - went


def points_are_backed(year: Year, held_by_drivers: int, held_by_merchants: int) -> None:
    """Compare the reserve with the points that are out."""
    assert year.holds(NOVA_RESERVE)["posted"] == held_by_drivers + held_by_merchants


def bank_agrees(
    year: Year, deposits: Deposits, cashing_out: CashingOut, settling: Settling, claiming: Claiming
) -> None:
    """Compare what the books say of the provider with the provider's own book, which knows nothing of ours."""
    stripe = year.world.stripe
    lines = stripe.objects("balance_transaction")
    fees = sum(one["fee"] for one in lines)
    charged = sum(one["amount"] for one in stripe.objects("charge") if one["status"] == "succeeded")
    refunded = sum(one["amount"] for one in stripe.objects("refund") if one["status"] == "succeeded")
    at_banks = sum(one["amount"] for one in stripe.objects("payout") if one["status"] == "paid")
    assert charged == deposits.paid.total()
    assert refunded == deposits.returned.total()
    assert at_banks == cashing_out.reached_banks + settling.reached_banks

    there = {name: sum(one.values()) for name, one in _balances(year).items()}
    ours = there.pop(stripe.platform)
    assert ours == charged - fees - refunded - at_banks - deposits.disputed
    assert set(there.values()) <= {0}, "money lies with a connected account"
    assert year.holds(PAYOUT_CLEARING)["posted"] == 0
    assert -year.holds(external("stripe"))["posted"] == ours
    installation = year.house.installation
    assert installation.paid_by is not None
    total = total_at(installation.database, installation.ledger, installation.paid_by, "USD", year.now)
    assert (total.theirs, total.ours, total.under_way) == (ours, ours, 0)
    wired = -year.holds(external("bank"))["posted"]
    assert wired == deposits.wired.total() + BUDGET + claiming.arrived


def _balances(year: Year) -> dict[str, dict[str, int]]:
    """Return what every account at the provider has, available and pending."""
    stripe = year.world.stripe
    accounts = [stripe.platform, *(one["id"] for one in stripe.objects("account"))]
    return {name: stripe.balances(name).get("usd", {}) for name in accounts}
