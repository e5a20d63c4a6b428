"""What every posting template must keep; templates are found by looking into their folder."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from nerava.ledger import templates
from nerava.ledger.chart import is_nova
from nerava.ledger.templates.reversal import NotReversible, reversal
from nerava.ledger.values import Kind, Status
from tests.contracts.template_chains import LATER, NOW, TOLD, Example, World, worlds
from tests.contracts.template_examples import EXAMPLES
from tests.ledger.templates.naive_book import NaiveBook
from tests.ledger.templates.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from uuid import UUID

    from nerava.ledger.values import Chain

RESULTS = {"Chain", "Clawback"}
"""What the functions of a template return; everything else in its file serves them."""

SAME_QUESTION = [
    {"driver_cashout.driver_cashout_failed", "driver_cashout.driver_cashout_paid"},
    {"merchant_payout.merchant_payout_failed", "merchant_payout.merchant_payout_paid"},
    {"session_reward.session_reward", "session_reward.session_reward_hold"},
]
"""Answers that exclude each other, and for that have one key."""

every_template = pytest.mark.parametrize("name", sorted(EXAMPLES))
any_world = worlds(number=1)
enough = settings(max_examples=20, deadline=None)
"""Amounts vary little in kind; twenty worlds for each of forty functions."""


def found_in(module: ModuleType) -> dict[str, Callable[..., object]]:
    """Return the functions of a template by name: those that return a posting."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and function.__annotations__.get("return") in RESULTS
    }


def modules() -> list[ModuleType]:
    """Return every file in the folder of templates."""
    names = [one.name for one in pkgutil.iter_modules(templates.__path__)]
    return [importlib.import_module(f"{templates.__name__}.{name}") for name in names]


def functions() -> dict[str, Callable[..., object]]:
    """Return all functions of all templates."""
    return {name: function for module in modules() for name, function in found_in(module).items()}


def posted(example: Example, world: World) -> tuple[Stage, Chain]:
    """Return a stage on which the example has been played, and its chain."""
    stage, chain = Stage(NOW), example.build(world)
    stage.post(*example.before(world))
    stage.now = example.at
    stage.post(chain)
    return stage, chain


def test_every_function_of_every_template_has_an_example() -> None:
    assert set(functions()) == set(EXAMPLES)


def test_every_file_in_the_folder_is_a_template() -> None:
    assert [module.__name__ for module in modules() if not found_in(module)] == []


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_template_says_what_its_key_and_its_transfers_are(name: str) -> None:
    text = inspect.getdoc(functions()[name]) or ""

    assert "Key" in text
    assert "Transfers" in text or "legs" in text


@every_template
@enough
@given(world=any_world)
def test_a_chain_bears_the_name_of_its_file_and_is_told_its_circumstances(name: str, world: World) -> None:
    chain = EXAMPLES[name].build(world)

    assert chain.template == name.partition(".")[0]
    assert (chain.actor, chain.effective_at) == (TOLD["actor"], TOLD["effective_at"])
    assert chain.metadata.items() >= TOLD["metadata"].items()


@every_template
@enough
@given(world=any_world, other=any_world, elsewhere=worlds(number=2))
def test_the_key_comes_from_the_fact_alone(name: str, world: World, other: World, elsewhere: World) -> None:
    build = EXAMPLES[name].build

    assert build(world).key == build(other).key
    assert build(world).key != build(elsewhere).key


@enough
@given(world=any_world)
def test_facts_have_keys_of_their_own_but_answers_to_one_question_share_theirs(world: World) -> None:
    # A driver's and a merchant's payout never have one id; only this world lends both the same.
    lone = replace(world, number=3)
    sharing: dict[UUID, set[str]] = {}
    for name, example in EXAMPLES.items():
        key = example.build(lone if name.startswith("merchant_payout") else world).key
        sharing.setdefault(key, set()).add(name)

    assert [names for names in sharing.values() if len(names) > 1] == SAME_QUESTION


@every_template
@enough
@given(world=any_world)
def test_every_amount_is_above_zero_and_every_leg_within_one_asset(name: str, world: World) -> None:
    for leg in EXAMPLES[name].build(world).transfers:
        if leg.kind in {Kind.DIRECT, Kind.HOLD}:
            assert is_nova(leg.debit) == is_nova(leg.credit)
            assert leg.debit != leg.credit
        if leg.kind in {Kind.RELEASE, Kind.EXPIRE}:
            assert leg.amount is None
        else:
            assert type(leg.amount) is int
            assert leg.amount > 0


@every_template
@enough
@given(world=any_world)
def test_the_reserve_is_what_is_in_circulation_after_every_chain(name: str, world: World) -> None:
    book = NaiveBook()
    for chain in (*EXAMPLES[name].before(world), EXAMPLES[name].build(world)):
        book.post(chain)
        assert book.problems() == []


@every_template
@enough
@given(world=any_world)
def test_a_step_that_ends_a_hold_ends_all_of_it(name: str, world: World) -> None:
    example = EXAMPLES[name]
    book = NaiveBook()
    book.post(*example.before(world))
    chain = example.build(world)
    ends = {leg.hold_key for leg in chain.transfers} - {None}
    held = set(book.holds)
    book.post(chain)

    assert ends == (held if ends else set())
    assert set(book.holds) == held - ends | {
        chain.key_of(position) for position, leg in enumerate(chain.transfers) if leg.kind is Kind.HOLD
    }


@every_template
@enough
@given(world=any_world)
def test_the_referee_posts_it_once(name: str, world: World) -> None:
    stage, chain = posted(EXAMPLES[name], world)
    after = stage.balances(), stage.points(), stage.held()

    assert stage.answer(chain) is Status.EXISTS
    assert stage.answer(replace(chain, effective_at=LATER, actor="another")) is Status.EXISTS
    assert (stage.balances(), stage.points(), stage.held()) == after
    assert sum(stage.points().values()) == sum(
        amount for code, amount in stage.balances().items() if code.startswith("driver:")
    )


@every_template
@enough
@given(world=any_world)
def test_a_reversal_restores_every_balance_and_every_lot(name: str, world: World) -> None:
    stage, chain = posted(EXAMPLES[name], world)
    rows = stage.rows(chain)
    if any(leg.kind is Kind.HOLD for leg in chain.transfers) or not any(
        leg.kind in {Kind.DIRECT, Kind.CAPTURE} for leg in chain.transfers
    ):
        with pytest.raises(NotReversible):
            reversal(rows, stage.codes())
        return
    untouched = Stage(NOW)
    untouched.post(*EXAMPLES[name].before(world))
    stage.post(reversal(rows, stage.codes()))

    assert stage.balances() == untouched.balances()
    assert stage.points() == untouched.points()
