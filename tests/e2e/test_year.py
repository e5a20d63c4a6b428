"""A year of one installation: whatever happens in it, every cent and every point is where it belongs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.chapters.campaigns import Campaigns
from tests.e2e.chapters.cashing_out import CashingOut
from tests.e2e.chapters.charging import Charging
from tests.e2e.chapters.claiming import Claiming
from tests.e2e.chapters.crediting import Crediting
from tests.e2e.chapters.deposits import Deposits
from tests.e2e.chapters.reconciling import Reconciling
from tests.e2e.chapters.redeeming import Redeeming
from tests.e2e.chapters.referring import Referring
from tests.e2e.chapters.settling import Settling
from tests.e2e.size import FULL, QUICK, Size
from tests.e2e.statements import (
    bank_agrees,
    drivers_add_up,
    grants_add_up,
    merchants_add_up,
    points_are_backed,
    sponsors_add_up,
)
from tests.e2e.year import opened_year

MUST_HAPPEN = {
    "campaign closed",
    "campaign paused by a dispute",
    "campaign resumed",
    "cash-out asked",
    "cash-out that the bank refuses",
    "checkout: expired",
    "checkout: failed",
    "checkout: paid",
    "code left to run out",
    "code taken",
    "code withdrawn",
    "credited",
    "driver held out",
    "invoice by bank",
    "invoice by netting",
    "invoice by write_off",
    "payout: failed",
    "payout: paid",
    "perk claimed",
    "referral: qualified",
    "referral: rewarded",
    "refunded",
    "voided",
}


def lived(url: str, folder: Path, size: Size) -> Counter[str]:
    """Live through a year, compare all books, and return what happened."""
    deposits, campaigns, charging = Deposits(), Campaigns(), Charging()
    redeeming, cashing_out = Redeeming(), CashingOut()
    settling, crediting = Settling(redeeming), Crediting(charging)
    claiming, referring = Claiming(redeeming), Referring()
    with opened_year(url, folder, size) as year:
        # In this order things end: campaigns before deposits go back.
        money = [redeeming, settling, claiming, cashing_out, Reconciling(), campaigns, deposits]
        year.live([charging, crediting, referring, *money])
        lines = drivers_add_up(year, redeeming, cashing_out)
        kept = merchants_add_up(year, redeeming, settling)
        sponsors_add_up(year, deposits, campaigns)
        grants_add_up(year, lines, campaigns)
        points_are_backed(year, lines.total(), kept)
        bank_agrees(year, deposits, cashing_out, settling, claiming)
        year.happened.update({f"Nova by {name}": change for name, change in lines.items()})
        return year.happened


@pytest.mark.in_turn
@pytest.mark.timeout(300)
def test_four_weeks_around_a_change_of_clocks_add_up_to_the_cent(url: str, tmp_path: Path) -> None:
    happened = lived(url, tmp_path, QUICK)
    assert MUST_HAPPEN - set(happened) == set()


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_a_year_adds_up_to_the_cent(url: str, tmp_path: Path) -> None:
    happened = lived(url, tmp_path, FULL)
    assert MUST_HAPPEN - set(happened) == set()
