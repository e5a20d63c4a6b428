"""Tokens of ours: given to drivers, named by operators, told to peers until they know them."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.roaming.model import PeerState, RoamingPeer, RoamingToken, RoamingTokenPush

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

RFID: Final = "RFID"
APP_USER: Final = "APP_USER"
PER_DRIVER_MAX: Final = 10
LEASE: Final = timedelta(seconds=60)
PAUSE: Final = timedelta(minutes=5)
PAUSE_MAX: Final = timedelta(hours=6)
_T: Final[Any] = RoamingToken.__table__
_PUSH: Final[Any] = RoamingTokenPush.__table__


class UnknownToken(NeravaError):
    """The driver has no such token."""

    code = "unknown-charging-token"
    status = HTTPStatus.NOT_FOUND
    title = "No such charging token"


class TooManyTokens(NeravaError):
    """The driver has as many valid tokens as anybody may have."""

    code = "too-many-charging-tokens"
    status = HTTPStatus.CONFLICT
    title = "No further charging token"


class TokenTaken(NeravaError):
    """A token with this uid exists already."""

    code = "charging-token-taken"
    status = HTTPStatus.CONFLICT
    title = "The uid is taken"


def issue(
    session: Session, driver_id: UUID, now: datetime, *, kind: str = APP_USER, uid: str | None = None
) -> RoamingToken:
    """Give a driver a token and see to it that every peer learns of it.

    Raises:
        TooManyTokens: The driver has ten valid ones (409).
        TokenTaken: The uid of this kind is somebody's (409).
    """
    mine = (_T.c.driver_id == driver_id) & _T.c.is_valid
    if int(session.scalar(select(func.count()).where(mine)) or 0) >= PER_DRIVER_MAX:
        raise TooManyTokens
    token_id = new_id()
    uid = uid or str(new_id())
    row = {
        "id": token_id,
        "driver_id": driver_id,
        "kind": kind,
        "uid": uid,
        "uid_key": uid.lower(),
        "contract_id": f"NV{new_id().hex[-26:].upper()}",
        "is_valid": True,
        "whitelist": "ALLOWED",
        "made_at": now,
        "last_updated": now,
    }
    if not _inserted(session, RoamingToken, [row]):
        raise TokenTaken
    _owe(session, token_id, now)
    return session.get_one(RoamingToken, token_id)


def block(session: Session, driver_id: UUID, token_id: UUID, now: datetime) -> None:
    """End a token of a driver; peers are told. Twice is once.

    Raises:
        UnknownToken: The driver has none with this id (404).
    """
    mine = update(RoamingToken).where(_T.c.id == token_id, _T.c.driver_id == driver_id)
    found = session.execute(mine.where(_T.c.is_valid).values(is_valid=False, last_updated=now))
    if found.rowcount:  # type: ignore[attr-defined]
        _owe(session, token_id, now)
    elif session.scalar(select(_T.c.id).where(_T.c.id == token_id, _T.c.driver_id == driver_id)) is None:
        raise UnknownToken


def tokens_of(session: Session, driver_id: UUID) -> list[RoamingToken]:
    """Return the tokens of a driver, the newest first."""
    mine = select(RoamingToken).where(_T.c.driver_id == driver_id).order_by(_T.c.id.desc()).limit(200)
    return list(session.scalars(mine))


def token_with(session: Session, uid: str, kind: str = RFID) -> RoamingToken | None:
    """Return the token with this uid and kind, whatever its case; None if we never gave one."""
    wanted = select(RoamingToken).where(_T.c.kind == kind, _T.c.uid_key == uid.strip().lower())
    return session.scalars(wanted).one_or_none()


def page(
    session: Session,
    *,
    since: datetime | None,
    before: datetime | None,
    offset: int,
    limit: int,
) -> tuple[list[RoamingToken], int]:
    """Return tokens by when they changed, the earliest first, and how many there are in all.

    `since` is inclusive, `before` is not.
    """
    chosen = [
        *([_T.c.last_updated >= since] if since is not None else []),
        *([_T.c.last_updated < before] if before is not None else []),
    ]
    total = int(session.scalar(select(func.count()).select_from(_T).where(*chosen)) or 0)
    rows = select(RoamingToken).where(*chosen).order_by(_T.c.last_updated, _T.c.id)
    return list(session.scalars(rows.offset(offset).limit(limit))), total


def owe_every_token(session: Session, peer_id: UUID, now: datetime) -> None:
    """Note that a peer knows none of our tokens."""
    ids = session.scalars(select(_T.c.id)).all()
    rows = [{"peer_id": peer_id, "token_id": one, "attempts": 0, "due_at": now} for one in ids]
    if rows:
        _inserted(session, RoamingTokenPush, rows)


def _owe(session: Session, token_id: UUID, now: datetime) -> None:
    """Note that no peer knows a token as it is now; what was owed before is owed anew."""
    peers: Any = RoamingPeer
    query = select(peers.id, peers.endpoints).where(peers.state == PeerState.REGISTERED.value)
    ids = [
        row.id
        for row in session.execute(query)
        if any(one[:2] == ["tokens", "RECEIVER"] for one in row.endpoints)
    ]
    session.execute(delete(RoamingTokenPush).where(_PUSH.c.token_id == token_id))
    rows = [{"peer_id": one, "token_id": token_id, "attempts": 0, "due_at": now} for one in sorted(ids)]
    if rows:
        _inserted(session, RoamingTokenPush, rows)


def _inserted(session: Session, table: Any, rows: Sequence[dict[str, object]]) -> int:  # noqa: ANN401 - a mapped class
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    written = session.execute(dialect.insert(table).values(list(rows)).on_conflict_do_nothing())
    return int(written.rowcount)  # type: ignore[attr-defined]


def claim_pushes(session: Session, now: datetime, limit: int) -> list[tuple[UUID, RoamingToken, datetime]]:
    """Take tokens that peers are to be told about: peer, token as it is now, and since when it is so.

    They come again in a minute unless `pushed` or `push_failed` says what became of them. A token
    that is gone is forgotten.
    """
    due = select(RoamingTokenPush).where(_PUSH.c.due_at <= now)
    rows = session.scalars(
        due.order_by(_PUSH.c.due_at, _PUSH.c.token_id).limit(limit).with_for_update(skip_locked=True)
    ).all()
    taken = []
    for row in rows:
        token = session.get(RoamingToken, row.token_id)
        if token is None:
            session.delete(row)
            continue
        row.due_at = now + LEASE
        row.attempts = min(row.attempts + 1, 1_000)
        session.expunge(token)
        taken.append((row.peer_id, token, token.last_updated))
    session.flush()
    return taken


def pushed(session: Session, peer_id: UUID, token_id: UUID, as_of: datetime) -> None:
    """Note that a peer knows a token as it was then; one that changed meanwhile stays owed."""
    same = select(_T.c.id).where(_T.c.id == token_id, _T.c.last_updated == as_of)
    owed = [_PUSH.c.peer_id == peer_id, _PUSH.c.token_id == token_id, _PUSH.c.token_id.in_(same)]
    session.execute(delete(RoamingTokenPush).where(*owed))


def push_failed(session: Session, peer_id: UUID, token_id: UUID, now: datetime) -> None:
    """Let a token that could not be told wait, longer each time; then its state of that day is told."""
    row = session.get(RoamingTokenPush, (peer_id, token_id), with_for_update=True)
    if row is not None:
        row.due_at = now + min(PAUSE * 2 ** min(row.attempts, 10), PAUSE_MAX)
        session.flush()
