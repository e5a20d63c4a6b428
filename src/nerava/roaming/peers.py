"""Peers from invitation to end: who they speak for, and by which tokens they are known."""

from __future__ import annotations

import hashlib
import secrets as csprng
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, or_, select, update

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.vault import Place
from nerava.roaming.model import (
    CredentialKind,
    Module,
    PeerState,
    RoamingCredential,
    RoamingParty,
    RoamingPeer,
    RoamingPull,
    RoamingTokenPush,
)
from nerava.roaming.tokens import owe_every_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault

INVITATION_LIFE: Final = timedelta(days=30)
TOKEN_BYTES: Final = 32
OPERATOR: Final = "CPO"
_PEER: Final[Any] = RoamingPeer.__table__
_CREDENTIAL: Final[Any] = RoamingCredential.__table__.c


class UnknownPeer(NeravaError):
    """No roaming peer has this id, or it has ended."""

    code = "unknown-roaming-peer"
    status = HTTPStatus.NOT_FOUND
    title = "No such roaming peer"


class WrongPeerState(NeravaError):
    """The peer is registered already, or not yet."""

    code = "wrong-roaming-peer-state"
    status = HTTPStatus.CONFLICT
    title = "The roaming peer is in another state"


class PartyTaken(NeravaError):
    """Another peer speaks for this party, or the invitation does not name it."""

    code = "roaming-party-taken"
    status = HTTPStatus.CONFLICT
    title = "The party is not the peer's to speak for"


@dataclass(frozen=True, slots=True)
class Party:
    """A party in one role, codes in upper case."""

    country_code: str
    party_id: str
    role: str
    name: str = ""

    @property
    def code(self) -> str:
        """How people write it: `DE-ABC`."""
        return f"{self.country_code}-{self.party_id}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as its requests are judged by.

    Attributes:
        parties: Everything it speaks for.
        is_invited_only: It presented an invitation, which opens versions and credentials alone.
    """

    id: UUID
    name: str
    state: PeerState
    version: str | None
    parties: tuple[Party, ...]
    is_invited_only: bool = False

    def owns(self, country_code: str, party_id: str) -> bool:
        """Say whether it speaks for an operator of this code; case does not matter."""
        wanted = (country_code.upper(), party_id.upper())
        return any((one.country_code, one.party_id) == wanted for one in self.parties if one.role == OPERATOR)

    def speaks_for(self, country_code: str, party_id: str) -> bool:
        """Say whether it speaks for this party in any role."""
        wanted = (country_code.upper(), party_id.upper())
        return any((one.country_code, one.party_id) == wanted for one in self.parties)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a peer told about itself when it registered, and the token that it gave us."""

    versions_url: str
    version: str
    endpoints: tuple[tuple[str, str, str], ...]
    parties: tuple[Party, ...]
    their_token: str = field(repr=False)


def new_token() -> str:
    """Return a token that nobody can guess."""
    return csprng.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """Return what is kept of a token that a peer presents; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def invite(
    session: Session,
    name: str,
    *,
    allowed: Sequence[str] = (),
    plain: bool = False,
    now: datetime,
) -> tuple[UUID, str]:
    """Make a peer and return its id and its invitation, OCPI's token A: shown once, good for 30 days."""
    peer = RoamingPeer(
        id=new_id(),
        name=name,
        state=PeerState.INVITED.value,
        allowed_parties=[one.upper() for one in allowed],
        endpoints=[],
        sends_plain=plain,
        takes_plain=True,
        invited_at=now,
    )
    session.add(peer)
    session.flush()
    token = give_token(session, peer.id, CredentialKind.INVITATION, now, life=INVITATION_LIFE)
    return peer.id, token


def give_token(
    session: Session, peer_id: UUID, kind: CredentialKind, now: datetime, *, life: timedelta | None = None
) -> str:
    """Return a new token with which the peer may call us from the commit on."""
    token = new_token()
    row = RoamingCredential(
        id=new_id(),
        peer_id=peer_id,
        kind=kind.value,
        token_hash=hash_of(token),
        made_at=now,
        expires_at=None if life is None else now + life,
    )
    session.add(row)
    session.flush()
    return token


def revoke_tokens(session: Session, peer_id: UUID, now: datetime, *, besides: str | None = None) -> None:
    """End every token of a peer but one; what presents them is unknown from the commit on."""
    standing = [_CREDENTIAL.peer_id == peer_id, _CREDENTIAL.revoked_at.is_(None)]
    if besides is not None:
        standing.append(_CREDENTIAL.token_hash != hash_of(besides))
    session.execute(update(RoamingCredential).where(*standing).values(revoked_at=now))


def peer_with_token(
    session: Session, plain: str, decoded: str | None, now: datetime
) -> tuple[Peer, str] | None:
    """Return the peer that presents a token, as it stands or decoded from base64, and the token itself."""
    forms = {hash_of(one): one for one in (plain, decoded) if one}
    query = select(RoamingCredential).where(
        _CREDENTIAL.token_hash.in_(list(forms)),
        _CREDENTIAL.revoked_at.is_(None),
        or_(_CREDENTIAL.expires_at.is_(None), _CREDENTIAL.expires_at > now),
    )
    for row in session.scalars(query):
        peer = session.get_one(RoamingPeer, row.peer_id)
        came_plain = forms[row.token_hash] == plain and plain != decoded
        if peer.state == PeerState.ENDED.value or (came_plain and not peer.takes_plain):
            continue
        only = row.kind == CredentialKind.INVITATION.value
        return _peer(session, peer, is_invited_only=only), forms[row.token_hash]
    return None


def peer_of(session: Session, peer_id: UUID) -> Peer:
    """Return a peer.

    Raises:
        UnknownPeer: There is none (404).
    """
    row = session.get(RoamingPeer, peer_id)
    if row is None:
        raise UnknownPeer
    return _peer(session, row)


def _peer(session: Session, row: RoamingPeer, *, is_invited_only: bool = False) -> Peer:
    parties = session.scalars(select(RoamingParty).where(RoamingParty.peer_id == row.id))
    found = tuple(Party(one.country_code, one.party_id, one.role, one.name) for one in parties)
    return Peer(row.id, row.name, PeerState(row.state), row.version, found, is_invited_only)


def peers(session: Session, limit: int = 200) -> list[RoamingPeer]:
    """Return peers, the newest first, ended ones included."""
    return list(session.scalars(select(RoamingPeer).order_by(RoamingPeer.id.desc()).limit(limit)))


def owner_of(peer_id: UUID) -> str:
    """Return the name under which the vault keeps a peer's token."""
    return f"roaming:{peer_id}"


def place_of(peer_id: UUID) -> Place:
    """Return where the token that we present to a peer is sealed."""
    return Place(RoamingPeer.__tablename__, "sealed_token", peer_id)


def register(
    session: Session,
    vault: Vault,
    peer_id: UUID,
    told: Registration,
    *,
    expected: PeerState,
    now: datetime,
) -> None:
    """Store what a peer told: from now on it is registered, and everything of it is to be read.

    Raises:
        WrongPeerState: It was not in the expected state any more (409).
        PartyTaken: Another peer speaks for one of its parties, or it may not (409).
    """
    change = {
        "state": PeerState.REGISTERED.value,
        "versions_url": told.versions_url,
        "version": told.version,
        "endpoints": [list(one) for one in told.endpoints],
        "sealed_token": vault.encrypt(
            session, owner_of(peer_id), place_of(peer_id), told.their_token.encode(), now
        ),
        "registered_at": now,
    }
    moved = update(RoamingPeer).where(_PEER.c.id == peer_id, _PEER.c.state == expected.value).values(change)
    if session.execute(moved.returning(_PEER.c.id)).one_or_none() is None:
        raise WrongPeerState
    _take_parties(session, peer_id, told.parties)
    _plan(session, peer_id, told.endpoints, now)


def _take_parties(session: Session, peer_id: UUID, parties: Sequence[Party]) -> None:
    allowed = session.get_one(RoamingPeer, peer_id).allowed_parties
    wanted = {(one.country_code, one.party_id, one.role): one for one in parties}
    if allowed and any(one.code not in allowed for one in parties):
        raise PartyTaken
    session.execute(delete(RoamingParty).where(RoamingParty.peer_id == peer_id))
    for (country_code, party_id, role), one in sorted(wanted.items()):
        taken = session.get(RoamingParty, (country_code, party_id, role))
        if taken is not None:
            raise PartyTaken(f"{one.code} as {role} is another peer's")
        row = RoamingParty(
            country_code=country_code, party_id=party_id, role=role, peer_id=peer_id, name=one.name[:100]
        )
        session.add(row)
        session.flush()


def _plan(session: Session, peer_id: UUID, endpoints: Sequence[Sequence[str]], now: datetime) -> None:
    """See to it that everything the peer sends is read, and that it gets our tokens, from now on."""
    offered = {(one[0], one[1]) for one in endpoints}
    for module in Module:
        known = session.get(RoamingPull, (peer_id, module.value))
        if (module.value, "SENDER") in offered and known is None:
            session.add(RoamingPull(peer_id=peer_id, module=module.value, due_at=now, fence=0, failures=0))
        elif (module.value, "SENDER") not in offered and known is not None:
            session.delete(known)
    if ("tokens", "RECEIVER") in offered:
        owe_every_token(session, peer_id, now)
    session.flush()


def end(session: Session, peer_id: UUID, now: datetime) -> None:
    """End a connection: its tokens are dead, its parties free, and nothing is asked or told any more.

    What it sent stays. Ending twice changes nothing.

    Raises:
        UnknownPeer: There is none (404).
    """
    # Its key, too: what is being owed to it at this moment is waited for, and goes with the rest.
    row = session.get(RoamingPeer, peer_id, with_for_update=True)
    if row is None:
        raise UnknownPeer
    if row.state == PeerState.ENDED.value:
        return
    row.state, row.ended_at, row.sealed_token = PeerState.ENDED.value, now, None
    revoke_tokens(session, peer_id, now)
    for table in (RoamingParty, RoamingPull, RoamingTokenPush):
        mine: Any = table
        session.execute(delete(mine).where(mine.peer_id == peer_id))
    session.flush()


@dataclass(frozen=True, slots=True)
class Line:
    """How a registered peer is called: its endpoints by module and role, and our token for it."""

    peer_id: UUID
    version: str
    endpoints: Mapping[tuple[str, str], str]
    sends_plain: bool
    versions_url: str
    token: str = field(repr=False)


def line_to(session: Session, vault: Vault, peer_id: UUID) -> Line | None:
    """Return how a peer is called; None when it is not registered."""
    row = session.get(RoamingPeer, peer_id)
    if row is None or row.state != PeerState.REGISTERED.value or row.sealed_token is None:
        return None
    token = vault.decrypt(session, owner_of(peer_id), place_of(peer_id), row.sealed_token).decode()
    endpoints = {(one[0], one[1]): one[2] for one in row.endpoints}
    return Line(peer_id, row.version or "", endpoints, row.sends_plain, row.versions_url or "", token)


def sends_plain(session: Session, peer_id: UUID) -> bool:
    """Say whether a peer wants tokens without base64.

    Raises:
        UnknownPeer: There is none (404).
    """
    row = session.get(RoamingPeer, peer_id)
    if row is None:
        raise UnknownPeer
    return row.sends_plain
