"""API keys: how partners' machines call, each with a key of its own scopes, places and days."""

from __future__ import annotations

import ipaddress
import logging
import secrets as csprng
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.audit import record
from nerava.identity.access_store import ApiKey
from nerava.identity.api_key_text import KeyText, Mode
from nerava.identity.roles import SCOPES, Role
from nerava.identity.signatures import KEY_BYTES, Signing
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.client_address import networks_of
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.identity.acting import Actor
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

LIFE_DAYS: Final = 90
LIFE_DAYS_MAX: Final = 365
SLOTS: Final = (1, 2)
SCOPES_OF_KEYS: Final = SCOPES[Role.PARTNER] - {"profile:write", "ocpi:register", "ocpi:exchange"}
"""What a key may cover; it has no sign-ins of its own that it could end, and is no token of OCPI."""

IPV6_BITS_MAX: Final = 64
"""Places are known to the /64 of IPv6: a narrower network would never match."""


class UnknownApiKey(NeravaError):
    """The partner has no such key in use."""

    code = "unknown-api-key"
    status = HTTPStatus.NOT_FOUND
    title = "No such API key"


class TwoKeysInUse(NeravaError):
    """The purpose has its two keys; revoke one first."""

    code = "two-keys-in-use"
    status = HTTPStatus.CONFLICT
    title = "Two keys are in use for this purpose"


class KeyTermsInvalid(NeravaError):
    """A scope, network or public key that no API key can have."""

    code = "api-key-terms-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "A key cannot be made like this"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key is to be like.

    Attributes:
        purpose: What the partner uses it for; two keys at most have the same.
        networks: Where it may be used from, as addresses or networks; empty for anywhere.
        public_key: Of the machine that will sign, for Ed25519; None lets us make a shared secret.
    """

    partner_id: UUID
    purpose: str
    scopes: frozenset[str]
    days: int = LIFE_DAYS
    networks: tuple[str, ...] = ()
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, shown this once.

    Attributes:
        signing_secret: 32 bytes in hexadecimal with which writes are signed by HMAC-SHA-256; None
            where the partner signs with a private key of its own.
    """

    id: UUID
    key_id: str
    expires_at: datetime
    text: str = field(repr=False)
    signing_secret: str | None = field(repr=False)


def make_key(
    session: Session, vault: Vault, actor: Actor, wanted: NewKey, *, mode: Mode, now: datetime
) -> MadeKey:
    """Make a key for a partner; twice is two keys, and a third for one purpose is refused.

    Raises:
        KeyTermsInvalid: What is wanted cannot be (422).
        TwoKeysInUse: The purpose has two keys (409).
    """
    networks = _checked(wanted)
    text, made = KeyText.new(mode), new_id()
    secret = None if wanted.public_key else csprng.token_bytes(KEY_BYTES)
    place, owner = place_of(made), owner_of(wanted.partner_id)
    row = {
        "id": made,
        "key_id": text.key_id,
        "partner_id": wanted.partner_id,
        "purpose": wanted.purpose,
        "mode": mode.value,
        "secret_hash": text.secret_hash,
        "scopes": " ".join(sorted(wanted.scopes)),
        "networks": " ".join(networks),
        "signing": (Signing.ED25519 if secret is None else Signing.HMAC_SHA256).value,
        "signing_key": wanted.public_key
        if secret is None
        else vault.encrypt(session, owner, place, secret, now),
        "made_by": actor.subject,
        "made_at": now,
        "expires_at": now + timedelta(days=wanted.days),
    }
    _make_room(session, wanted, now)
    if not any(_inserted(session, row | {"slot": slot}) for slot in SLOTS):
        raise TwoKeysInUse
    told: dict[str, object] = {
        "purpose": wanted.purpose,
        "scopes": row["scopes"],
        "networks": row["networks"],
        "days": wanted.days,
    }
    entry = actor.entry("api_key.made", "api_key", made, tenant_id=wanted.partner_id, after=told)
    record(session, entry, now)
    expires_at = now + timedelta(days=wanted.days)
    return MadeKey(made, text.key_id, expires_at, text.text, None if secret is None else secret.hex())


def revoke_key(session: Session, actor: Actor, partner_id: UUID, key_id: str, now: datetime) -> None:
    """End a key of a partner: refused from the commit on, in every process.

    Raises:
        UnknownApiKey: The partner has no such key in use (404).
    """
    mine = (ApiKey.partner_id == partner_id) & (ApiKey.key_id == key_id) & ApiKey.revoked_at.is_(None)
    ended = update(ApiKey).where(mine).values(revoked_at=now, revoked_by=actor.name).returning(ApiKey.id)
    found = session.scalar(ended)
    if found is None:
        raise UnknownApiKey
    record(session, actor.entry("api_key.revoked", "api_key", found, tenant_id=partner_id), now)


def keys_of(session: Session, partner_id: UUID, *, limit: int) -> list[ApiKey]:
    """Return the keys of a partner, the newest first, revoked ones included."""
    found = select(ApiKey).where(ApiKey.partner_id == partner_id)
    return list(session.scalars(found.order_by(ApiKey.id.desc()).limit(limit)))


def owner_of(partner_id: UUID) -> str:
    """Return the name under which the vault keeps a partner's key."""
    return f"partner:{partner_id}"


def place_of(api_key_id: UUID) -> Place:
    """Return where the signing secret of a key is sealed."""
    return Place(ApiKey.__tablename__, "signing_key", api_key_id)


def _checked(wanted: NewKey) -> list[str]:
    """Return the networks in their one spelling, after a look at everything else."""
    if not wanted.scopes or not wanted.scopes <= SCOPES_OF_KEYS:
        raise KeyTermsInvalid(f"a key covers some of: {', '.join(sorted(SCOPES_OF_KEYS))}")
    if not 1 <= wanted.days <= LIFE_DAYS_MAX:
        raise KeyTermsInvalid(f"a key lives 1 to {LIFE_DAYS_MAX} days")
    if wanted.public_key is not None and len(wanted.public_key) != KEY_BYTES:
        raise KeyTermsInvalid(f"a public key of Ed25519 has {KEY_BYTES} bytes")
    try:
        networks = networks_of(",".join(wanted.networks))
    except ValueError:
        raise KeyTermsInvalid("networks look like 192.0.2.7 or 2001:db8::/48") from None
    if any(isinstance(one, ipaddress.IPv6Network) and one.prefixlen > IPV6_BITS_MAX for one in networks):
        raise KeyTermsInvalid("networks of IPv6 are /64 or wider")
    return [str(one) for one in networks]


def _make_room(session: Session, wanted: NewKey, now: datetime) -> None:
    """Let keys that ran out leave their place to new ones."""
    of_purpose = (ApiKey.partner_id == wanted.partner_id) & (ApiKey.purpose == wanted.purpose)
    over = of_purpose & ApiKey.revoked_at.is_(None) & (ApiKey.expires_at <= now)
    session.execute(update(ApiKey).where(over).values(revoked_at=now, revoked_by="expired"))


def _inserted(session: Session, row: dict[str, object]) -> bool:
    # The index over (partner, purpose, slot) decides, so of many who come at once two get a key.
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return (
        session.scalar(dialect.insert(ApiKey).values(row).on_conflict_do_nothing().returning(ApiKey.id))
        is not None
    )
