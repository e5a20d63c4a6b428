"""Letting API keys in: one answer for every failure, a limit for failing, a signature under every write."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import or_, select, update

from nerava.audit import ActorKind, Entry, Result, record
from nerava.identity.access_store import ApiKey
from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.api_keys import owner_of, place_of
from nerava.identity.errors import InvalidToken
from nerava.identity.guard import SAFE_METHODS, KeyHolder
from nerava.identity.roles import Membership, Role
from nerava.identity.signatures import SIGNATURE, TIMESTAMP, SignatureInvalid, Signed, Signing
from nerava.kernel.errors import NeravaError
from nerava.platform.client_address import NOWHERE, client_address
from nerava.platform.json_body import read_body
from nerava.platform.limit_numbers import API_KEY_FAILURE, PARTNER_WRITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session
    from starlette.requests import Request

    from nerava.kernel.clock import Clock
    from nerava.platform.client_address import Client, Network
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

_NO_HASH: Final = bytes(32)
ID_HEADER: Final = "idempotency-key"


@dataclass(frozen=True, slots=True)
class KeyRules:
    """What an installation lets in.

    Attributes:
        mode: Keys of the other mode are unknown here.
        trusted_proxies: Whose `X-Forwarded-For` is believed.
    """

    mode: Mode
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class _Admitted:
    id: UUID
    partner_id: UUID
    scopes: frozenset[str]
    signing: Signing
    signing_key: bytes = field(repr=False)
    is_first_today: bool


@dataclass(frozen=True, slots=True)
class _Refused:
    """A key that is not let in; `known` names the row where there is one, for the audit log."""

    known: UUID | None = None
    partner_id: UUID | None = None


class KeyGuard:
    """Finds out whom an API key stands for. Safe to share between threads and processes."""

    def __init__(
        self, database: Database, vault: Vault, limits: Limits, clock: Clock, rules: KeyRules
    ) -> None:
        self._database = database
        self._vault = vault
        self._limits = limits
        self._clock = clock
        self._rules = rules

    async def authenticate(self, request: Request, key: str) -> KeyHolder:
        """Return the partner whose key this is, if it is valid here and now; a write must be signed, too.

        Raises:
            InvalidToken: Unknown, expired, revoked, of another mode or place, in the same words (401).
            SignatureInvalid: A write that is not signed, or not by this key (401).
            RateLimited: Too many keys failed from here, or the key writes too often (429).
            BodyTooLarge: More than a signature is looked for in (413).
        """
        place = client_address(request, self._rules.trusted_proxies)
        writes = request.method not in SAFE_METHODS
        found = await run_in_threadpool(self._admit, key, place, writes=writes)
        if writes:
            signed = await _signed(request)
            signed.verify(found.signing, found.signing_key, self._clock.now())
        membership = Membership(Role.PARTNER, found.partner_id)
        return KeyHolder(found.id, (membership,), found.scopes)

    def _admit(self, key: str, place: Client, *, writes: bool) -> _Admitted:
        now = self._clock.now()
        found = self._database.read(lambda session: self._judge(session, key, place, now))
        if isinstance(found, _Refused):
            refused = found
            self._database.run(lambda session: self._count(session, refused, place, now))
            raise InvalidToken
        if found.is_first_today:
            self._note_use(found.id, now)
        if writes:
            self._limits.hit_now(PARTNER_WRITE.keyed(identity=str(found.id)), now)
        return found

    def _judge(self, session: Session, key: str, place: Client, now: datetime) -> _Admitted | _Refused:
        self._limits.check(session, API_KEY_FAILURE.keyed(client=place), now)
        text = KeyText.read(key)
        if text is None or text.mode is not self._rules.mode:
            return _Refused()
        row = session.scalar(select(ApiKey).where(ApiKey.key_id == text.key_id))
        is_secret = hmac.compare_digest(_NO_HASH if row is None else row.secret_hash, text.secret_hash)
        if row is None or not is_secret or row.mode != text.mode.value:
            return _Refused()
        if row.revoked_at is not None or row.expires_at <= now or not _is_allowed(row.networks, place):
            return _Refused(row.id, row.partner_id)
        signing, signing_key = Signing(row.signing), row.signing_key
        if signing is Signing.HMAC_SHA256:
            signing_key = self._vault.decrypt(
                session, owner_of(row.partner_id), place_of(row.id), signing_key
            )
        return _Admitted(
            id=row.id,
            partner_id=row.partner_id,
            scopes=frozenset(row.scopes.split()),
            signing=signing,
            signing_key=signing_key,
            is_first_today=row.last_used_on is None or row.last_used_on < now.astimezone(UTC).date(),
        )

    def _count(self, session: Session, refused: _Refused, place: Client, now: datetime) -> None:
        self._limits.hit(session, API_KEY_FAILURE.keyed(client=place), now)
        if refused.known is not None:
            # Whoever holds the secret of a key that is over may be its owner, or whoever found it.
            entry = Entry(
                actor_kind=ActorKind.PARTNER,
                actor_id=str(refused.known),
                action="api_key.refused",
                object_kind="api_key",
                object_id=str(refused.known),
                result=Result.DENIED,
                tenant_id=refused.partner_id,
                ip_prefix=None if place == NOWHERE else place.block,
                client_kind="api",
            )
            record(session, entry, now)

    def _note_use(self, api_key_id: UUID, now: datetime) -> None:
        today = now.astimezone(UTC).date()
        earlier = or_(ApiKey.last_used_on.is_(None), ApiKey.last_used_on < today)
        noted = update(ApiKey).where(ApiKey.id == api_key_id, earlier).values(last_used_on=today)
        try:
            self._database.run(lambda session: session.execute(noted), repeatable=True)
        except NeravaError:
            # Reading goes on while nothing may be written; the next use notes the day.
            log.warning("the use of an API key could not be noted")


async def _signed(request: Request) -> Signed:
    def the_one(name: str) -> str:
        values: Sequence[str] = request.headers.getlist(name)
        if len(values) != 1:
            raise SignatureInvalid("send one Idempotency-Key, one Nerava-Timestamp and one Nerava-Signature")
        return values[0].strip()

    path = request.scope.get("raw_path") or request.scope["path"].encode()
    return Signed(
        id=the_one(ID_HEADER),
        timestamp=the_one(TIMESTAMP),
        method=request.method,
        path=path.partition(b"?")[0].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        signature=the_one(SIGNATURE),
        body=await read_body(request),
    )


def _is_allowed(networks: str, place: Client) -> bool:
    if not networks:
        return True
    if place == NOWHERE:
        return False
    here = ipaddress.ip_network(place.address)
    return any(_is_within(here, ipaddress.ip_network(one)) for one in networks.split())


def _is_within(here: Network, network: Network) -> bool:
    if isinstance(here, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return here.subnet_of(network)
    if isinstance(here, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        return here.subnet_of(network)
    return False
