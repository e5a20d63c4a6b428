"""Runs in which an engine and the oracle once disagreed, kept so that they never do again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.values import Chain, LotTerms, Status, Transfer, transfer, transfer_key
from tests.ledger.machine_base import HOUR, START
from tests.ledger.referee import Disagreement, Referee

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.referee import LedgerPort


class Scene:
    """A world, two drivers with lots, and one who may go below zero, on both engine and oracle."""

    def __init__(self, port: LedgerPort) -> None:
        self.referee = Referee(port)
        self.facts = 0
        world = AccountSpec(self.code("world"), "NOVA", "test_source", floor=None)
        ann = AccountSpec(self.code("ann"), "NOVA", "test_holder", keeps_lots=True)
        deb = replace(ann, code=self.code("deb"), floor=-50)
        self.referee.open([world, ann, deb])

    def code(self, name: str) -> str:
        """Return the account's code within this run."""
        return f"{self.referee.port.namespace}{name}"

    def move(self, debit: str, credit: str, amount: int, **terms: object) -> Transfer:
        """Return a transfer between accounts of the scene."""
        return transfer(self.code(debit), self.code(credit), amount, **terms)  # type: ignore[arg-type]

    def chain(self, *transfers: Transfer) -> Chain:
        """Return a chain of a new fact."""
        self.facts += 1
        return Chain(fact_id(f"{self.referee.port.namespace}found:{self.facts}"), "move", transfers)

    def post(self, *batch: Chain) -> None:
        """Post a batch that must be accepted, and compare everything."""
        statuses = self.referee.post(batch, START)
        if set(statuses) != {Status.POSTED}:
            raise Disagreement(f"the scene expects every chain to be posted, not {statuses}")
        self.referee.compare()


def a_key_that_a_later_chain_would_derive(scene: Scene) -> None:
    """The engine posted both and left the second key to a constraint of the database."""
    later = scene.chain(scene.move("world", "ann", 1), scene.move("world", "deb", 1))
    scene.post(Chain(transfer_key(later.key, 1), "move", (scene.move("world", "ann", 9),)))
    for _ in range(2):
        scene.referee.post([later], START)
        scene.referee.compare()
    scene.referee.post([later, scene.chain(scene.move("world", "ann", 1))], START)
    scene.referee.compare()


def a_debt_paid_on_the_far_side(scene: Scene, *, at_once: bool) -> None:
    """What came back depended on whether spending and refund were of one batch."""
    grant = scene.move("world", "ann", 10, lot=LotTerms("mine"))
    scene.post(scene.chain(grant, scene.move("deb", "world", 1)))
    spent = scene.chain(scene.move("ann", "deb", 3, lot=LotTerms("theirs")))
    refund = scene.chain(scene.move("world", "ann", 4, restores=spent.key))
    for batch in [[spent, refund]] if at_once else [[spent], [refund]]:
        scene.post(*batch)


def preferred_lots_that_end_at_different_times(scene: Scene, *, at_once: bool) -> None:
    """The engine spent the preferred lots in the order of their making, not of their end."""
    soon, late = LotTerms("soon", START + HOUR), LotTerms("late", START + 2 * HOUR)
    first = scene.chain(scene.move("world", "ann", 5, lot=late), scene.move("world", "ann", 5, lot=soon))
    scene.post(first)
    spent = scene.chain(scene.move("ann", "world", 10))
    back = scene.chain(scene.move("world", "ann", 10, restores=spent.key))
    again = scene.chain(scene.move("ann", "world", 4, lot_of=back.key))
    for batch in [[spent, back, again]] if at_once else [[spent], [back], [again]]:
        scene.post(*batch)


FOUND: dict[str, Callable[[Scene], None]] = {
    "a key that a later chain would derive": a_key_that_a_later_chain_would_derive,
    "a debt paid on the far side, in one batch": partial(a_debt_paid_on_the_far_side, at_once=True),
    "a debt paid on the far side, in two": partial(a_debt_paid_on_the_far_side, at_once=False),
    "preferred lots, in one batch": partial(preferred_lots_that_end_at_different_times, at_once=True),
    "preferred lots, in three": partial(preferred_lots_that_end_at_different_times, at_once=False),
}
