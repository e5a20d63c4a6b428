"""What became of a key: asking, and making it definite."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import BaseModel, Field

from nerava.identity.guard import SignedIn
from nerava.platform.idempotency import (
    Answer,
    IdempotencyKeyMalformed,
    IdempotencyKeyUnknown,
    RequestInFlight,
    parse_key,
)
from nerava.platform.idempotency_store import cancel, look_up
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("idempotency keys")

KeyInPath = Annotated[
    str, Path(min_length=1, max_length=255, pattern="^[!-~]+$", examples=["a-uuid-you-kept"])
]


class KeyOutcome(StrEnum):
    """What became of a key, for good."""

    EXECUTED = "executed"
    CANCELLED = "cancelled"


class KeyOut(BaseModel):
    """A key and the answer that every request with it gets."""

    key: str
    outcome: KeyOutcome
    status: int | None = Field(default=None, description="HTTP status of the stored answer")
    answer: Any = Field(default=None, description="Body of the stored answer")


@routes.get(
    "/idempotency-keys/{key:path}",
    summary="What became of a request",
    responses=problems(IdempotencyKeyUnknown, IdempotencyKeyMalformed),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def ask(key: KeyInPath, caller: SignedIn, wired: Wired) -> KeyOut:
    """Return the answer stored under one of your keys.

    404 is not a proof that nothing happened: the request may still be on its way. To make sure,
    cancel the key.
    """
    bare = parse_key(key)
    found = wired.database.read(lambda session: look_up(session, caller.idempotency_scope, bare))
    return _shown(bare, found)


@routes.post(
    "/idempotency-keys/{key:path}/cancel",
    summary="Make a request definite",
    responses=problems(RequestInFlight, IdempotencyKeyMalformed),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:read", repeats=Repeats.BY_MEANING))
def make_definite(key: KeyInPath, caller: SignedIn, wired: Wired, now: Now) -> KeyOut:
    """Burn a key, or learn what the request that used it was answered.

    After `cancelled` no request with this key will ever be carried out.
    """
    bare = parse_key(key)
    return _shown(bare, cancel(wired.database, caller.idempotency_scope, bare, now=now))


def _shown(key: str, answer: Answer | None) -> KeyOut:
    if answer is None:
        return KeyOut(key=key, outcome=KeyOutcome.CANCELLED)
    return KeyOut(key=key, outcome=KeyOutcome.EXECUTED, status=answer.status, answer=answer.document())
