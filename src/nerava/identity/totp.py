"""Authenticator apps: the codes of RFC 6238, each good for one use."""

from __future__ import annotations

import base64
import hmac
import secrets as csprng
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from nerava.identity import factor_store
from nerava.identity.factor_store import UNCONFIRMED_LIFE, FactorTotp
from nerava.identity.factors import FactorExists, FactorMissing, FactorWrong
from nerava.identity.user_store import owner_of
from nerava.kernel.ids import new_id
from nerava.platform.problem import NotFound
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.factors import Factors, Holder
    from nerava.kernel.errors import NeravaError

SEED_BYTES: Final = 20
STEP_S: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
"""How many steps a phone's clock may be off, either way."""

ISSUER: Final = "Nerava"
METHOD: Final = "totp"


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app is set up with; shown this once.

    Attributes:
        secret: The seed in base32, for typing.
        uri: The same for a QR code.
        expires_at: Until when the first code has to be shown, aware UTC.
    """

    factor_id: UUID
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    expires_at: datetime


class Authenticators:
    """Adds authenticator apps and takes their codes. Safe to share between threads and processes."""

    def __init__(self, factors: Factors) -> None:
        self._factors = factors

    def begin(self, holder: Holder, label: str, now: datetime) -> Setup:
        """Make a seed; it counts for nothing until its first code was shown, within 10 minutes.

        Raises:
            StepUpRequired, SignInStale: Show first that it is you (403).
            FactorExists: There is an authenticator app already (409).
        """
        seed, factor_id = csprng.token_bytes(SEED_BYTES), new_id()

        def unit(session: Session) -> None:
            self._factors.require_fresh(session, holder, now)
            if factor_store.totp_of(session, holder.user_id) is not None:
                raise FactorExists
            factor_store.drop_unconfirmed(session, holder.user_id)
            sealed = self._factors.vault.encrypt(
                session, owner_of(holder.user_id), _place(factor_id), seed, now
            )
            session.add(
                FactorTotp(
                    id=factor_id,
                    user_id=holder.user_id,
                    session_id=holder.session_id,
                    label=label,
                    sealed=sealed,
                    created_at=now,
                )
            )

        self._factors.database.run(unit)
        secret = base64.b32encode(seed).decode()
        uri = f"otpauth://totp/{quote(f'{ISSUER}:{label}')}?secret={secret}&issuer={ISSUER}"
        return Setup(factor_id, secret, uri, now + UNCONFIRMED_LIFE)

    def confirm(self, holder: Holder, factor_id: UUID, code: str, now: datetime) -> None:
        """Let an authenticator app count from now on, because it shows the right code.

        Every other session ends, and every contact is told.

        Raises:
            NotFound: No such app waits on this session (404).
            FactorWrong: This is not its code (403).
            StepUpRequired, SignInStale: Show first that it is you (403).
            RateLimited: Too often; the code was not looked at (429).
        """

        def unit(session: Session) -> NeravaError | None:
            factor = session.get(FactorTotp, factor_id)
            waits = factor is not None and factor.confirmed_at is None
            if factor is None or not waits or factor.session_id != holder.session_id:
                return NotFound()
            if factor.user_id != holder.user_id or factor.created_at <= now - UNCONFIRMED_LIFE:
                return NotFound()
            self._factors.require_fresh(session, holder, now)
            step = matching_step(self._seed(session, factor), code, now)
            if step is None:
                self._factors.note_failure(session, holder, "factor.add", factor_id, now)
                return FactorWrong()
            if factor_store.totp_of(session, holder.user_id) is not None:
                return FactorExists()
            if not factor_store.confirm(session, factor_id, step, now):
                return NotFound()
            self._factors.changed(session, holder, "factor.add", factor_id, METHOD, now=now)
            return None

        self._factors.count_try(holder.user_id, holder.asker.place, now)
        _raise(self._factors.database.run(unit))

    def step_up(self, holder: Holder, code: str, now: datetime) -> None:
        """Show an authenticator code on this session; the session is `strong`, and freshly so.

        Each code is good for one use, wherever it is used, and voids all before it.

        Raises:
            FactorMissing: There is no authenticator app (409).
            FactorWrong: The code is another one, or was used (403).
            RateLimited: Too often; the code was not looked at (429).
        """

        def unit(session: Session) -> NeravaError | None:
            factor = factor_store.totp_of(session, holder.user_id)
            if factor is None:
                return FactorMissing()
            step = matching_step(self._seed(session, factor), code, now)
            if step is None or not factor_store.use_step(session, factor.id, step, now):
                self._factors.note_failure(session, holder, "session.step_up", factor.id, now)
                return FactorWrong()
            self._factors.stepped_up(session, holder, METHOD, now)
            return None

        # Counted and committed before it is compared: whatever crashes can give no guess away.
        self._factors.count_try(holder.user_id, holder.asker.place, now)
        _raise(self._factors.database.run(unit))

    def _seed(self, session: Session, factor: FactorTotp) -> bytes:
        return self._factors.vault.decrypt(
            session, owner_of(factor.user_id), _place(factor.id), factor.sealed
        )


def code_at(seed: bytes, step: int) -> str:
    """Return the code of a 30-second step since 1970 (RFC 6238: HMAC-SHA-1, six digits)."""
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(now: datetime) -> int:
    """Return the 30-second step of an instant."""
    return int(now.timestamp()) // STEP_S


def matching_step(seed: bytes, code: str, now: datetime) -> int | None:
    """Return the step around now whose code this is, the newest of several; in constant time."""
    found = None
    around = step_of(now)
    for step in range(around - DRIFT_STEPS, around + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(seed, step).encode(), code.encode()):
            found = step
    return found


def _place(factor_id: UUID) -> Place:
    return Place("factor_totp", "sealed", factor_id)


def _raise(refusal: NeravaError | None) -> None:
    if refusal is not None:
        raise refusal
