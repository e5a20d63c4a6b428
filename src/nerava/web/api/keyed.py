"""Requests that happen once: their key and fingerprint, and the two ways to carry them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

from fastapi import Depends, Request

from nerava.identity.guard import SignedIn, principal_of
from nerava.kernel.errors import NeravaError
from nerava.ledger import Effect, EffectRefused, Status, Verdict
from nerava.platform.idempotency import (
    Answer,
    KeyedRequest,
    KeyReusedWithOtherBody,
    Replay,
    fingerprint,
    is_stored,
)
from nerava.platform.idempotency_store import find, once, store_many
from nerava.platform.policy import GuardedRoute
from nerava.platform.problem import reference_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.ledger import Chain
    from nerava.web.api.wiring import Wiring

TWINS_WITHIN: Final = timedelta(minutes=1)
"""Two requests with one key that overlap are posted within this time; later the first was answered."""

Outcome = Callable[[Verdict], Answer | NeravaError]
"""What a verdict means to the caller: an answer or a refusal. Pure, so that it can be repeated."""


async def keyed_of(request: Request) -> KeyedRequest:
    """Return the request as one that happens once; for the busiest endpoints, `Keyed` for all others."""
    return await _keyed(request, principal_of(request))


async def _keyed(request: Request, principal: SignedIn) -> KeyedRequest:
    route = request.scope["route"]
    if not isinstance(route, GuardedRoute):
        raise AssertionError("a keyed request comes through a guarded route")
    body = await request.json() if route.body_field is not None else None
    return KeyedRequest(
        principal=principal.idempotency_scope,
        key=request.state.idempotency_key,
        fingerprint=fingerprint(request.method, route.path_format, request.path_params, body),
        reference=reference_of(request.scope),
    )


Keyed = Annotated[KeyedRequest, Depends(_keyed)]
"""The request as something that happens at most once."""


def run_once(
    wired: Wiring, request: KeyedRequest, work: Callable[[Session], Answer], *, now: datetime
) -> Response:
    """Carry out `work` in one transaction with its key, and return its answer or the stored one.

    Raises what `once` raises.
    """
    given = once(wired.database, request, work, now=now)
    return given.answer.response(given.replay)


@dataclass(frozen=True, slots=True)
class StoreAnswer(Effect):
    """The answer to a keyed request, committed together with the chain it answers for.

    Where the key is taken by another request, by a refusal that was given before, or by a
    cancellation, the chain is not posted.
    """

    applies_to: ClassVar[Literal["posted", "any"]] = "any"

    request: KeyedRequest
    outcome: Outcome
    now: datetime

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Store the answers of a batch with one statement; those for good only.

        Raises:
            KeyReusedWithOtherBody, IdempotencyKeyCancelled: The key says so (409).
            EffectRefused: The key holds a refusal already, so nothing may be posted under it.
        """
        answers = []
        for effect, verdict in items:
            answer = effect.stored_answer(verdict)
            if answer is not None:
                answers.append((effect.request, answer))
        if not answers:
            return
        free = store_many(session, answers, now=items[0][0].now)
        for effect, verdict in items:
            mine = (effect.request.principal, effect.request.key or "")
            if mine in free:
                free.discard(mine)  # A twin in the same batch finds the key taken.
            elif verdict.status is Status.POSTED:
                find(session, effect.request)
                message = "the key was answered before"
                raise EffectRefused(message)

    def stored_answer(self, verdict: Verdict) -> Answer | None:
        """Return what is to be stored under the key for this verdict, if anything."""
        if verdict.status is Status.CONFLICT:
            return None  # The chain of another request has this key: its answer is the one that counts.
        outcome = self.outcome(verdict)
        if isinstance(outcome, Answer):
            return outcome
        return Answer.refusal(outcome, self.request.reference) if is_stored(outcome) else None


def submit_once(
    wired: Wiring,
    request: KeyedRequest,
    chain: Chain,
    outcome: Outcome,
    *,
    now: datetime,
    effects: Sequence[Effect] = (),
) -> Response:
    """Post `chain` by group commit, its answer in the same commit, and return that answer.

    The chain's key must be derived from the request's principal and key, so that both speak of
    one thing.

    Raises:
        KeyReusedWithOtherBody: The key belongs to another request (409, final).
        IdempotencyKeyCancelled: The key was burned (409, final).
        NeravaError: A refusal that leaves the key free, or what `Ledger.submit` raises.
    """
    known = wired.database.read(lambda session: find(session, request))
    if known is not None:
        return known.response(Replay.STORED)
    storing = StoreAnswer(request, outcome, now)
    try:
        verdict = wired.ledger.submit(chain, [storing, *effects])
    except EffectRefused:
        return _replayed(wired, request)
    if verdict.status is Status.CONFLICT:
        wired.database.read(lambda session: find(session, request))
        raise KeyReusedWithOtherBody
    answer = storing.stored_answer(verdict)
    if answer is None:
        refusal = outcome(verdict)
        raise refusal if isinstance(refusal, NeravaError) else AssertionError("an answer is always stored")
    if verdict.status is Status.EXISTS and verdict.posted_at and now - verdict.posted_at > TWINS_WITHIN:
        # The ledger remembers for ever, stored answers go after 30 days.
        return answer.response(Replay.REBUILT)
    if verdict.status is Status.POSTED:
        return answer.response()
    return _replayed(wired, request)


def _replayed(wired: Wiring, request: KeyedRequest) -> Response:
    stored = wired.database.read(lambda session: find(session, request))
    if stored is None:
        raise AssertionError("what was answered for good is stored")
    return stored.response(Replay.STORED)
