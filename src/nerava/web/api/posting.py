"""Keyed requests on the event loop: posted by group commit without holding a thread."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.concurrency import run_in_threadpool

from nerava.kernel.errors import NeravaError
from nerava.ledger import EffectRefused, Status
from nerava.platform.idempotency import Answer, KeyedRequest, Replay, is_stored
from nerava.platform.idempotency_store import Given, find, store_many
from nerava.web.api.keyed import Outcome, StoreAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Effect
    from nerava.web.api.wiring import Wiring


async def post_once(
    wired: Wiring,
    request: KeyedRequest,
    chain: Chain,
    outcome: Outcome,
    *,
    now: datetime,
    effects: Sequence[Effect] = (),
) -> Given:
    """Post `chain` by group commit, its answer in the same commit, and return that answer.

    As `submit_once`, but nothing is read before: whether the key was used is found out where it is
    stored. What an effect refuses by raising is stored by nobody; see `refuse_once`.

    Raises:
        KeyReusedWithOtherBody: The key belongs to another request (409, final).
        IdempotencyKeyCancelled: The key was burned (409, final).
        NeravaError: A refusal that leaves the key free, what an effect raised, or what
            `Ledger.submit` raises.
    """
    storing = StoreAnswer(request, outcome, now)
    try:
        verdict = await wired.ledger.submit_async(chain, [storing, *effects])
    except EffectRefused:
        stored = await run_in_threadpool(_stored, wired, request)
        if stored is None:
            raise
        return Given(stored, Replay.STORED)
    answer = storing.stored_answer(verdict)
    if verdict.status is Status.POSTED and answer is not None:
        return Given(answer)
    if answer is None and verdict.status is not Status.CONFLICT:
        raise _refusal(outcome(verdict))
    stored = await run_in_threadpool(_stored, wired, request)
    if stored is None:
        raise _refusal(outcome(verdict))
    # A refusal names its request, so it can be told whether it was stored for this one.
    mine = answer is not None and answer.status >= HTTPStatus.BAD_REQUEST and stored.body == answer.body
    return Given(stored, Replay.FIRST if mine else Replay.STORED)


def refuse_once(wired: Wiring, request: KeyedRequest, refusal: NeravaError, *, now: datetime) -> Given:
    """Store a refusal under the key before it is told; return it, or the answer that was there before.

    Raises:
        KeyReusedWithOtherBody: The key belongs to another request (409, final).
        IdempotencyKeyCancelled: The key was burned (409, final).
        NeravaError: The refusal itself, where it leaves the key free.
    """
    if not is_stored(refusal):
        raise refusal
    answer = Answer.refusal(refusal, request.reference)

    def unit(session: Session) -> Given:
        if store_many(session, [(request, answer)], now=now):
            return Given(answer)
        known = find(session, request)
        if known is None:
            raise AssertionError("a key that is not free has an answer")
        return Given(known, Replay.STORED)

    return wired.database.run(unit, repeatable=True)


def _stored(wired: Wiring, request: KeyedRequest) -> Answer | None:
    return wired.database.read(lambda session: find(session, request))


def _refusal(outcome: Answer | NeravaError) -> NeravaError:
    if isinstance(outcome, NeravaError):
        return outcome
    raise AssertionError("an answer is always stored")
