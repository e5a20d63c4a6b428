"""Whatever a template posts has words on a statement, and an adjustment says why it was made."""

from __future__ import annotations

from hypothesis import given, settings

from nerava.ledger.templates.adjustment import AdjustmentReason
from nerava.ledger.transit import TEMPLATE as TRANSIT
from nerava.ledger.values import Kind
from nerava.web.api.statements import ADJUSTED, WORDS
from tests.contracts.template_chains import World, worlds
from tests.contracts.template_examples import EXAMPLES

IN_TRANSIT = {(TRANSIT, kind.value) for kind in (Kind.HOLD, Kind.CAPTURE, Kind.RELEASE)}
RUNS_OUT = {("redemption", Kind.EXPIRE.value), ("session_reward", Kind.EXPIRE.value)}
"""Holds that the general expiry may end before their own template does."""


@settings(max_examples=5, deadline=None)
@given(world=worlds(number=1))
def test_every_movement_has_words_and_every_word_its_movement(world: World) -> None:
    chains = [example.build(world) for example in EXAMPLES.values()]
    posted = {(one.template, leg.kind.value) for one in chains for leg in one.transfers}

    assert posted | IN_TRANSIT | RUNS_OUT == set(WORDS)


def test_every_reason_of_an_adjustment_has_words() -> None:
    assert set(ADJUSTED) == set(AdjustmentReason)
