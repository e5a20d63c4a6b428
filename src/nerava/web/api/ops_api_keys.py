"""Ops make, list and revoke the API keys of partners."""

from __future__ import annotations

import base64
import binascii
from datetime import date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field

from nerava.identity import api_keys
from nerava.identity.access_store import ApiKey
from nerava.identity.api_keys import (
    LIFE_DAYS,
    LIFE_DAYS_MAX,
    KeyTermsInvalid,
    NewKey,
    TwoKeysInUse,
    UnknownApiKey,
)
from nerava.platform.idempotency import Answer, Replay
from nerava.platform.idempotency_store import once
from nerava.platform.pagination import PAGE_MAX
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("ops: API keys")

KeyIdInPath = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["0123456789abcdef"])]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9:_-]{0,39}$")]


class ApiKeyIn(Body):
    """A key for one purpose of a partner. Its writes must be signed."""

    purpose: Word = Field(description="What for; two keys at most have the same", examples=["sessions"])
    scopes: Annotated[list[Word], Field(min_length=1, max_length=10)] = Field(examples=[["sessions:write"]])
    life_days: Annotated[int, Field(strict=True, ge=1, le=LIFE_DAYS_MAX)] = LIFE_DAYS
    networks: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=20)] = Field(
        default=[], description="Where it may be used from; empty for anywhere", examples=[["192.0.2.0/24"]]
    )
    public_key: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="32 bytes of an Ed25519 key in base64; without it you get a secret for HMAC-SHA-256",
    )


class NewApiKeyOut(BaseModel):
    """A new key. Keep `api_key` and `signing_secret`: they are shown this once."""

    key_id: str
    expires_at: datetime
    api_key: str | None = Field(description="Null when the answer is given again")
    signing_secret: str | None = Field(description="32 bytes in hexadecimal; null with a key of your own")


class ApiKeyOut(BaseModel):
    """A key, without what is secret about it."""

    key_id: str
    purpose: str
    mode: str
    scopes: list[str]
    networks: list[str]
    signing: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_on: date | None = Field(description="The last UTC day on which it was used")

    @classmethod
    def of(cls, row: ApiKey) -> ApiKeyOut:
        """Return the wire form of a key."""
        return cls(
            key_id=row.key_id,
            purpose=row.purpose,
            mode=row.mode,
            scopes=row.scopes.split(),
            networks=row.networks.split(),
            signing=row.signing,
            made_at=row.made_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_on=row.last_used_on,
        )


class ApiKeysOut(BaseModel):
    """The keys of a partner, the newest first; at most 200."""

    keys: list[ApiKeyOut]


@routes.post(
    "/ops/partners/{partner_id}/api-keys",
    summary="Make an API key for a partner",
    status_code=HTTPStatus.CREATED,
    response_model=NewApiKeyOut,
    responses=problems(KeyTermsInvalid, TwoKeysInUse),
)
@guarded(
    Policy(roles=("ops:admin",), scope="api-keys:write", repeats=Repeats.KEY_ACCEPTED, step_up=StepUp.STRONG)
)
def make(
    partner_id: UUID, body: ApiKeyIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Make a key and show it, once: a repetition with the same `Idempotency-Key` does not see it again."""
    wanted = NewKey(
        partner_id=partner_id,
        purpose=body.purpose,
        scopes=frozenset(body.scopes),
        days=body.life_days,
        networks=tuple(body.networks),
        public_key=_public_key(body.public_key),
    )
    made: list[NewApiKeyOut] = []

    def work(session: Session) -> Answer:
        new = api_keys.make_key(session, wired.vault, actor, wanted, mode=wired.key_mode, now=now)
        shown = NewApiKeyOut(
            key_id=new.key_id,
            expires_at=new.expires_at,
            api_key=new.text,
            signing_secret=new.signing_secret,
        )
        made[:] = [shown]
        # What is secret is never stored: a repetition learns everything else.
        hidden = shown.model_copy(update={"api_key": None, "signing_secret": None})
        return Answer.of(hidden, HTTPStatus.CREATED)

    given = once(wired.database, request, work, now=now)
    if given.replay is Replay.FIRST and made and given.answer.status == HTTPStatus.CREATED:
        return Answer.of(made[0], HTTPStatus.CREATED).response()
    return given.answer.response(given.replay)


@routes.get("/ops/partners/{partner_id}/api-keys", summary="The API keys of a partner")
@guarded(Policy(roles=("ops:support", "ops:admin"), scope="api-keys:read"))
def keys(partner_id: UUID, wired: Wired) -> ApiKeysOut:
    """Return the keys of a partner, revoked and expired ones included; none for an unknown one."""
    return wired.database.read(
        lambda session: ApiKeysOut(
            keys=[ApiKeyOut.of(row) for row in api_keys.keys_of(session, partner_id, limit=PAGE_MAX)]
        )
    )


@routes.delete(
    "/ops/partners/{partner_id}/api-keys/{key_id}",
    summary="Revoke an API key",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownApiKey),
)
@guarded(Policy(roles=("ops:support", "ops:admin"), scope="api-keys:revoke", repeats=Repeats.BY_MEANING))
def revoke(partner_id: UUID, key_id: KeyIdInPath, actor: Acting, wired: Wired, now: Now) -> None:
    """End a key at once, in every process."""
    wired.database.run(lambda session: api_keys.revoke_key(session, actor, partner_id, key_id, now))


def _public_key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise KeyTermsInvalid("a public key is base64") from None
