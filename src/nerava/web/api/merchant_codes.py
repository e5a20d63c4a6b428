"""Codes by the hundred for a merchant's own marketing: made, shown once as CSV, paused, ended."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.responses import Response

from nerava.identity.guard import TenantId
from nerava.kernel.ids import fact_id
from nerava.merchants import offer_codes
from nerava.merchants.code_text import in_groups
from nerava.merchants.errors import UnknownCodeBatch, UnknownOffer, WrongCodeBatchState, WrongOfferState
from nerava.merchants.offer_codes import SIZE_MAX, BatchState, BatchView, NewBatch
from nerava.platform.idempotency import REPLAYED, Answer, Replay
from nerava.platform.idempotency_store import once
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import InputError, InvalidInput, problems
from nerava.web.api.audited import Acting, Actor
from nerava.web.api.fields import Body, Instant
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.merchant_redemptions import HOUSE
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.idempotency import KeyedRequest
    from nerava.web.api.wiring import Wiring

routes: Final = router("merchant: codes")

CSV: Final = "text/csv; charset=utf-8"

_READS: Final = Policy(roles=HOUSE, scope="merchant:read")
_WRITES: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.KEY_ACCEPTED)


class CodeBatchIn(Body):
    """How many codes, and until when they are good."""

    count: Annotated[int, Field(strict=True, gt=0, le=SIZE_MAX)]
    expires_at: Instant


class CodeBatchOut(BaseModel):
    """Codes that were made together. The codes themselves are shown once, when they are made."""

    id: UUID
    offer_id: UUID
    size: int
    claimed: int
    state: BatchState
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, found: BatchView) -> CodeBatchOut:
        """Return the wire form of a batch."""
        return cls(**{name: getattr(found, name) for name in CodeBatchOut.model_fields})


@routes.post(
    "/merchant/offers/{offer_id}/code-batches",
    summary="Make codes for an offer",
    status_code=HTTPStatus.CREATED,
    response_class=Response,
    responses={
        201: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "One code a line"},
        **problems(UnknownOffer, WrongOfferState),
    },
)
@guarded(Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.KEY_REQUIRED))
def make(
    offer_id: UUID,
    body: CodeBatchIn,
    merchant_id: TenantId,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Return new codes as CSV; only their hashes are kept. The same key gets the same codes again."""
    if body.expires_at <= now:
        message = "codes expire in the future"
        raise InvalidInput(
            message, errors=[InputError(pointer="body/expires_at", message=message, kind="past")]
        )
    batch_id = fact_id(f"codes:{request.principal}:{request.key}")
    made = offer_codes.make(wired.redeeming.codes, batch_id, body.count)

    def work(session: Session) -> Answer:
        offer_codes.store(session, merchant_id, NewBatch(batch_id, offer_id, made, body.expires_at), now)
        after = {"offer_id": str(offer_id), "count": body.count}
        wired.audit.record(session, actor.entry("codes.made", "offer_code_batch", batch_id, after=after), now)
        return _shown(session, merchant_id, batch_id, HTTPStatus.CREATED)

    given = once(wired.database, request, work, now=now)
    if given.answer.status != HTTPStatus.CREATED:
        return given.answer.response(given.replay)
    lines = ["code", *(in_groups(one.text) for one in made)]
    headers = {"Content-Disposition": f'attachment; filename="codes-{batch_id}.csv"'}
    if given.replay is not Replay.FIRST:
        headers[REPLAYED] = given.replay.value
    return Response("\r\n".join(lines) + "\r\n", HTTPStatus.CREATED, headers, media_type=CSV)


@routes.get(
    "/merchant/offers/{offer_id}/code-batches",
    summary="The codes of an offer",
    responses=problems(UnknownOffer),
)
@guarded(_READS)
def batches(
    offer_id: UUID,
    merchant_id: TenantId,
    wired: Wired,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[CodeBatchOut]:
    """Return how many codes were made when, and how many of them are claimed."""
    after = after_id(cursor)
    found = wired.database.read(
        lambda session: offer_codes.batches(session, merchant_id, offer_id, after=after, limit=limit)
    )
    return page_by_id([CodeBatchOut.of(one) for one in found], limit)


_STATE_PROBLEMS: Final = problems(UnknownCodeBatch, WrongCodeBatchState)


@routes.post(
    "/merchant/code-batches/{batch_id}/pause",
    summary="Pause codes",
    response_model=CodeBatchOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def pause(
    batch_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let nobody claim one of these codes for now."""
    return _moved(
        wired, request, BatchState.PAUSED, owner=merchant_id, actor=actor, batch_id=batch_id, now=now
    )


@routes.post(
    "/merchant/code-batches/{batch_id}/resume",
    summary="Let paused codes be claimed again",
    response_model=CodeBatchOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def resume(
    batch_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let the codes be claimed again."""
    return _moved(wired, request, BatchState.OPEN, owner=merchant_id, actor=actor, batch_id=batch_id, now=now)


@routes.post(
    "/merchant/code-batches/{batch_id}/end",
    summary="End codes for good",
    response_model=CodeBatchOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def end(
    batch_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let nobody claim one of these codes ever again; what was claimed stays so."""
    return _moved(
        wired, request, BatchState.ENDED, owner=merchant_id, actor=actor, batch_id=batch_id, now=now
    )


def _moved(
    wired: Wiring,
    request: KeyedRequest,
    state: BatchState,
    *,
    owner: UUID,
    actor: Actor,
    batch_id: UUID,
    now: datetime,
) -> Response:
    def work(session: Session) -> Answer:
        offer_codes.move(session, owner, batch_id, state)
        told = actor.entry(f"codes.{state}", "offer_code_batch", batch_id, after={"state": state})
        wired.audit.record(session, told, now)
        return _shown(session, owner, batch_id, HTTPStatus.OK)

    return run_once(wired, request, work, now=now)


def _shown(session: Session, merchant_id: UUID, batch_id: UUID, status: HTTPStatus) -> Answer:
    return Answer.of(CodeBatchOut.of(offer_codes.batch(session, merchant_id, batch_id)), status)
