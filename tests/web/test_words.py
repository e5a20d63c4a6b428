"""Words of states: every state that is stored has one."""

from __future__ import annotations

from enum import StrEnum

import pytest

from nerava.merchants.offers import OfferState
from nerava.merchants.queries import RedemptionState
from nerava.merchants.service import MerchantState, RegisterState
from nerava.payouts.states import CaseKind, MethodState, PayoutState, Step
from nerava.rewards.campaigns import CampaignState
from nerava.rewards.checkout_store import CheckoutState, RefundState
from nerava.vehicles.states import LinkState
from nerava.web.api.ops_payout_batches import BatchState
from nerava.web.site.words import WORDS, word

STATES: dict[str, type[StrEnum]] = {
    "batch": BatchState,
    "campaign": CampaignState,
    "car": LinkState,
    "merchant": MerchantState,
    "method": MethodState,
    "offer": OfferState,
    "ops payout": PayoutState,
    "payment": CheckoutState,
    "payout": PayoutState,
    "redemption": RedemptionState,
    "refund": RefundState,
    "register": RegisterState,
    "step": Step,
}


@pytest.mark.parametrize("kind", STATES)
def test_every_stored_state_has_a_word_and_no_word_is_left_over(kind: str) -> None:
    assert set(WORDS[kind]) == {one.value for one in STATES[kind]}


def test_every_result_of_a_comparison_and_every_case_has_a_word() -> None:
    assert set(WORDS["case"]) == {"matched", *(one.value for one in CaseKind)}


def test_a_state_without_a_word_is_shown_as_it_is_stored() -> None:
    assert word("campaign", "half_open").text == "Half open"
