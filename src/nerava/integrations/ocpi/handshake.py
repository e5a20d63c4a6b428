"""Registration by OCPI's credentials, from either side; nothing is locked while the other side is called."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update

from nerava.audit import ActorKind, Entry, record
from nerava.integrations.ocpi.api import Identity
from nerava.integrations.ocpi.envelope import OK, Said, Status, invalid
from nerava.integrations.ocpi.wire import CredentialsIn, Drift, VersionDetailsIn, VersionIn, read_as
from nerava.kernel.outcomes import Ok, Outcome, Refused, RetryLater, Unknown
from nerava.roaming import peers
from nerava.roaming.model import CredentialKind, PeerState, RoamingCredential
from nerava.roaming.peers import Party, PartyTaken, Registration, WrongPeerState

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.integrations.ocpi.api import PeerApi
    from nerava.integrations.ocpi.receiving import Sender
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

VERSIONS: Final = ("2.3.0", "2.2.1")
"""The versions that we speak, the best first."""

_NOT_ALLOWED: Final = Said(Status.CLIENT_ERROR, HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, slots=True)
class Own:
    """Who we are to peers.

    Attributes:
        address: Of this installation, without a slash at its end.
    """

    country_code: str
    party_id: str
    name: str
    address: str

    @property
    def code(self) -> str:
        """How people write our party: `US-NRV`."""
        return f"{self.country_code}-{self.party_id}"

    @property
    def versions_url(self) -> str:
        """Where peers begin."""
        return f"{self.address}/ocpi/versions"

    def credentials(self, token: str) -> dict[str, Any]:
        """Return our credentials with a token in them."""
        role = {
            "role": "EMSP",
            "country_code": self.country_code,
            "party_id": self.party_id,
            "business_details": {"name": self.name},
        }
        return {"token": token, "url": self.versions_url, "roles": [role]}


@dataclass(frozen=True, slots=True)
class _Learned:
    version: str
    endpoints: tuple[tuple[str, str, str], ...]


class Handshake:
    """Registers peers with us, and us with peers. Safe to share between threads."""

    def __init__(self, database: Database, vault: Vault, api: PeerApi, own: Own) -> None:
        self._database = database
        self._vault = vault
        self._api = api
        self._own = own

    def show(self, token: str) -> Said:
        """Return our credentials to somebody who presented this token."""
        return Said(data=self._own.credentials(token))

    def accept(self, sender: Sender, body: object, now: datetime, *, again: bool = False) -> Said:
        """Register a peer (POST), or, `again`, take what changed and give it a new token (PUT).

        The peer's own server is asked meanwhile, and it may ask ours.
        """
        peer = sender.peer
        expected = PeerState.REGISTERED if again else PeerState.INVITED
        if peer.state is not expected or peer.is_invited_only is again:
            return _NOT_ALLOWED
        try:
            told = read_as(CredentialsIn, body)
        except Drift as drift:
            return invalid(str(drift))
        plain = self._sends_plain(peer.id)
        learned = self._learn(told.url, Identity(told.token, plain), sender.version)
        if isinstance(learned, Said):
            return learned
        registration = Registration(
            versions_url=told.url,
            version=learned.version,
            endpoints=learned.endpoints,
            parties=_parties(told),
            their_token=told.token,
        )

        def work(session: Session) -> str:
            peers.register(session, self._vault, peer.id, registration, expected=expected, now=now)
            peers.revoke_tokens(session, peer.id, now)
            record(
                session, _entry("roaming_peer.rotated" if again else "roaming_peer.registered", peer.id), now
            )
            return peers.give_token(session, peer.id, CredentialKind.EXCHANGE, now)

        try:
            token = self._database.run(work)
        except WrongPeerState:
            return _NOT_ALLOWED
        except PartyTaken as taken:
            return invalid(taken.detail or taken.title)
        return Said(data=self._own.credentials(token))

    def end(self, sender: Sender, now: datetime) -> Said:
        """End a registration, as its peer wants."""
        if sender.peer.state is not PeerState.REGISTERED or sender.peer.is_invited_only:
            return _NOT_ALLOWED
        self._database.run(lambda session: self.end_by(session, sender.peer.id, now), repeatable=True)
        return OK

    @staticmethod
    def end_by(session: Session, peer_id: UUID, now: datetime) -> None:
        """End a connection and let the audit log say so.

        Raises:
            UnknownPeer: There is none (404).
        """
        peers.end(session, peer_id, now)
        record(session, _entry("roaming_peer.ended", peer_id), now)

    def connect(self, peer_id: UUID, versions_url: str, invitation: str, now: datetime) -> Outcome[str]:
        """Register us with a peer that invited us; return the version that is spoken.

        Our token for it is good before it is told, because the peer asks for our versions meanwhile.
        When its answer is lost, nobody but the peer knows its token for us: it has to invite anew.
        """
        plain = self._sends_plain(peer_id)
        identity = Identity(invitation, plain)
        learned = self._learn(versions_url, identity, None)
        if isinstance(learned, Said):
            return RetryLater(learned.message)
        at = next((url for name, _, url in learned.endpoints if name == "credentials"), None)
        if at is None:
            return Refused("no-credentials-endpoint")
        ours = self._database.run(
            lambda session: peers.give_token(session, peer_id, CredentialKind.INVITATION, now)
        )
        answer = self._api.send("POST", at, identity, self._own.credentials(ours))
        if not isinstance(answer, Ok):
            return answer
        try:
            told = read_as(CredentialsIn, answer.value.data)
        except Drift:
            return Unknown("unreadable")
        registration = Registration(
            versions_url=versions_url,
            version=learned.version,
            endpoints=learned.endpoints,
            parties=_parties(told),
            their_token=told.token,
        )

        def work(session: Session) -> None:
            peers.register(session, self._vault, peer_id, registration, expected=PeerState.INVITED, now=now)
            peers.revoke_tokens(session, peer_id, now, besides=ours)
            mine = RoamingCredential.token_hash == peers.hash_of(ours)
            opened = {"kind": CredentialKind.EXCHANGE.value, "expires_at": None}
            session.execute(update(RoamingCredential).where(mine).values(opened))
            record(session, _entry("roaming_peer.registered", peer_id), now)

        try:
            self._database.run(work)
        except (WrongPeerState, PartyTaken) as refused:
            return Refused(refused.code, refused.detail)
        return Ok(learned.version)

    def _sends_plain(self, peer_id: UUID) -> bool:
        return self._database.read(lambda session: peers.sends_plain(session, peer_id))

    def _learn(self, versions_url: str, identity: Identity, wanted: str | None) -> _Learned | Said:
        """Ask a peer for its versions and for what it offers in the best, or the wanted, one of them."""
        answer = self._api.get(versions_url, identity)
        if not isinstance(answer, Ok) or not isinstance(answer.value.data, list):
            return Said(Status.CLIENT_UNUSABLE, message=f"versions: {_word(answer)}")
        offered = _versions(answer.value.data)
        chosen = next((one for one in VERSIONS if one in offered and wanted in {None, one}), None)
        if chosen is None:
            return Said(Status.UNSUPPORTED_VERSION, message="no version in common")
        details = self._api.get(offered[chosen], identity)
        if not isinstance(details, Ok):
            return Said(Status.CLIENT_UNUSABLE, message=f"version details: {_word(details)}")
        try:
            found = read_as(VersionDetailsIn, details.value.data)
        except Drift as drift:
            return Said(Status.CLIENT_UNUSABLE, message=f"version details: {drift}")
        if not found.endpoints:
            return Said(Status.NO_MATCHING_ENDPOINTS, message="no endpoints")
        endpoints = tuple(
            (one.identifier.lower(), one.role.upper(), one.url.rstrip("/")) for one in found.endpoints
        )
        return _Learned(chosen, endpoints)


def _versions(data: list[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in data:
        try:
            version = read_as(VersionIn, one)
        except Drift:
            continue
        found[version.version] = version.url
    return found


def _parties(told: CredentialsIn) -> tuple[Party, ...]:
    return tuple(
        Party(
            one.country_code.upper(),
            one.party_id.upper(),
            one.role.upper()[:20],
            "" if one.business_details is None else one.business_details.name,
        )
        for one in told.roles
    )


def _word(outcome: Outcome[Any]) -> str:
    return "unreadable" if isinstance(outcome, Ok) else outcome.code


def _entry(action: str, peer_id: UUID) -> Entry:
    return Entry(
        actor_kind=ActorKind.PARTNER,
        actor_id=str(peer_id),
        action=action,
        object_kind="roaming_peer",
        object_id=str(peer_id),
        tenant_id=peer_id,
    )
