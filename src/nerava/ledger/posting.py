"""Posting inside a transaction that is open already: load, decide, write, apply effects."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import uuid_utils

from nerava.ledger.decide import Decision, decide
from nerava.ledger.engines import engine_for
from nerava.ledger.hashing import batch_hash
from nerava.ledger.stops import is_stopped
from nerava.ledger.store import Batch, load
from nerava.ledger.values import CHAIN_MAX, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger.decide import OpenHold, State
    from nerava.ledger.effects import Effect
    from nerava.ledger.store import Engine
    from nerava.ledger.values import Chain


PART: Final = 334
"""Transfers that are decided before the database begins to write them, where a batch is written in parts."""


def checked(chain: Chain) -> Chain:
    """Return the chain, or refuse one that no caller should have built.

    Raises:
        ValueError: It has no transfers, or more than `CHAIN_MAX`.
    """
    if not 1 <= len(chain.transfers) <= CHAIN_MAX:
        message = f"a chain has 1 to {CHAIN_MAX} transfers, not {len(chain.transfers)}"
        raise ValueError(message)
    return chain


def post_in(session: Session, chains: Sequence[Chain], now: datetime) -> list[Verdict]:
    """Post chains in the session's transaction and return their verdicts in the same order.

    Each chain sees the ones before it; a refused one leaves nothing. Chains of several lanes are
    posted lane by lane. What a kill switch stops is answered `switched_off`; what was posted before
    is answered as ever.
    """
    engine = engine_for(session)
    lanes: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(chains):
        lanes[one.lane].append(index)
    if len(lanes) == 1:
        return _post_lane(engine, chains, now)
    verdicts: dict[int, Verdict] = {}
    for lane in sorted(lanes):
        of_lane = _post_lane(engine, [chains[index] for index in lanes[lane]], now)
        verdicts.update(zip(lanes[lane], of_lane, strict=True))
    return [verdicts[index] for index in range(len(chains))]


def _post_lane(engine: Engine, chains: Sequence[Chain], now: datetime) -> list[Verdict]:
    state = load(engine, chains)
    batch_id = new_id()
    if engine.in_parts and not engine.stops:
        return _post_in_parts(engine, chains, state, now, batch_id)
    keys_are_current = bool(state.known)
    decision = _judge(engine, chains, state, now, batch_id)
    if not keys_are_current and _refuses_what_exists(engine, chains, decision.verdicts):
        state = load(engine, chains)
        decision = _judge(engine, chains, state, now, batch_id)
    if decision.transfers:
        digests = [row.digest for row in decision.transfers]
        engine.write(decision, state, _batch(batch_id, chains[0].lane, digests, now))
    return decision.verdicts


def _post_in_parts(
    engine: Engine, chains: Sequence[Chain], state: State, now: datetime, batch_id: str
) -> list[Verdict]:
    """Decide a batch part by part; the database writes each while the next is being decided."""
    verdicts: list[Verdict] = []
    digests: list[bytes] = []
    opened: list[OpenHold] = []
    closed: list[str] = []
    with engine.ahead():
        for some in _parts(chains):
            part = decide(some, state, now, batch_id=batch_id, new_id=new_id)
            if part.transfers:
                engine.write_ahead(part.transfers)
            verdicts += part.verdicts
            digests += [row.digest for row in part.transfers]
            # What one part opens and a later one closes is both: `write` opens before it closes.
            opened += part.opened
            closed += part.closed
        if digests:
            decision = Decision(verdicts, [], opened, closed)
            engine.write(decision, state, _batch(batch_id, chains[0].lane, digests, now))
    return verdicts


def _parts(chains: Sequence[Chain]) -> Iterator[Sequence[Chain]]:
    start = transfers = 0
    for end, one in enumerate(chains, start=1):
        transfers += len(one.transfers)
        if transfers >= PART or end == len(chains):
            yield chains[start:end]
            start, transfers = end, 0


def _batch(batch_id: str, lane: str, digests: Sequence[bytes], now: datetime) -> Batch:
    return Batch(batch_id, lane, len(digests), batch_hash(lane, now, digests), now)


def _judge(engine: Engine, chains: Sequence[Chain], state: State, now: datetime, batch_id: str) -> Decision:
    if not engine.stops:
        return decide(chains, state, now, batch_id=batch_id, new_id=new_id)
    # A chain whose key is taken is not stopped: nothing moves when it is told what became of it.
    stopped = [
        not any(key in state.known for key in one.key_texts()) and is_stopped(one, engine.stops, state.holds)
        for one in chains
    ]
    going = [one for one, stops in zip(chains, stopped, strict=True) if not stops]
    decision = decide(going, state, now, batch_id=batch_id, new_id=new_id)
    verdicts = iter(decision.verdicts)
    answers = [Verdict(Status.SWITCHED_OFF) if stops else next(verdicts) for stops in stopped]
    return decision._replace(verdicts=answers)


def _refuses_what_exists(engine: Engine, chains: Sequence[Chain], verdicts: Sequence[Verdict]) -> bool:
    """Whether a refused chain was posted by somebody else while we waited for the balances.

    The keys may have been looked up before the balances were locked. A chain that is accepted all
    the same fails on the uniqueness of its key; one that is refused, perhaps because its own first
    posting took the money, would be told so although it stands.
    """
    refused = (one for one, verdict in zip(chains, verdicts, strict=True) if not verdict.ok)
    keys = [key for one in refused for key in one.key_texts()]
    return bool(keys) and bool(engine.transfers_by_key(keys))


def new_id() -> str:
    """Return a new UUIDv7 as canonical text; later ones of a process sort after earlier ones."""
    return str(uuid_utils.uuid7())


def apply_effects(session: Session, asked: Sequence[tuple[Sequence[Effect], Verdict]]) -> None:
    """Apply the effects of a batch, kind by kind, in the order in which the kinds first appear."""
    kinds: dict[type[Effect], list[tuple[Effect, Verdict]]] = {}
    for effects, verdict in asked:
        for effect in effects:
            if effect.applies_to == "any" or verdict.status is Status.POSTED:
                kinds.setdefault(type(effect), []).append((effect, verdict))
    for kind, items in kinds.items():
        kind.apply_batch(session, items)
