"""Passkeys: how they are added, how somebody signs in with one, and how one is shown again (WebAuthn)."""

from __future__ import annotations

import logging
import secrets as csprng
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import webauthn
from sqlalchemy.dialects import postgresql, sqlite
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from nerava.identity import factor_store
from nerava.identity.factor_store import FactorPasskey, PasskeyCeremony
from nerava.identity.factors import FactorExists, FactorMissing, FactorWrong, Holder, TooManyFactors
from nerava.identity.messages import MethodOff
from nerava.identity.sessions import PASSKEY
from nerava.identity.user_store import known_user
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session
    from webauthn.registration.verify_registration_response import VerifiedRegistration

    from nerava.identity.admission import Admission, Asker
    from nerava.identity.factors import Factors
    from nerava.identity.sessions import Opened

log = logging.getLogger(__name__)

LIFE: Final = timedelta(minutes=5)
"""How long a challenge waits for its answer."""

CHALLENGE_BYTES: Final = 32
PASSKEYS_MAX: Final = 10
NAME: Final = "Nerava"
_VERIFIED: Final = UserVerificationRequirement.REQUIRED

Kind = Literal["sign-in", "step-up", "add"]


class PasskeyRefused(NeravaError):
    """The passkey is unknown, answers another challenge, or is not what it was; which is not said."""

    code = "passkey-refused"
    status = HTTPStatus.UNAUTHORIZED
    title = "This passkey does not let anybody in"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom passkeys are made, and the pages that may ask for them.

    Attributes:
        domain: The `rpId`; a new one makes every passkey worthless.
        origins: Exact, as browsers spell them: `https://nerava.example`.
    """

    domain: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A challenge that waits for a passkey.

    Attributes:
        options: For `navigator.credentials`, as JSON: its `publicKey`.
        expires_at: Aware UTC.
    """

    id: UUID
    options: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Claimed:
    """An answer whose challenge was used up, and the passkey that it claims to be from."""

    challenge: bytes
    factor_id: UUID
    user_id: UUID
    public_key: bytes


class Passkeys:
    """Adds passkeys and takes their answers. Safe to share between threads and processes.

    A challenge is used up by its first answer, right or wrong. The user is verified each time, by
    whatever unlocks the device. How a passkey was made is not asked (attestation `none`).
    """

    def __init__(self, factors: Factors, admission: Admission, party: RelyingParty | None) -> None:
        """Take for whom passkeys are; without it they are off."""
        self._factors = factors
        self._admission = admission
        self._relying_party = party

    def begin_sign_in(self, now: datetime) -> Ceremony:
        """Return a challenge for whoever has a passkey here; it names nobody.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
        """
        party, challenge = self._party(), csprng.token_bytes(CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=party.domain, challenge=challenge, timeout=_LIFE_MS, user_verification=_VERIFIED
        )
        return self._begin("sign-in", challenge, options, None, now)

    def begin_step_up(self, holder: Holder, now: datetime) -> Ceremony:
        """Return a challenge for the caller's own passkeys.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
            FactorMissing: The caller has none (409).
        """
        party, challenge = self._party(), csprng.token_bytes(CHALLENGE_BYTES)
        own = self._own(holder)
        if not own:
            raise FactorMissing
        options = webauthn.generate_authentication_options(
            rp_id=party.domain,
            challenge=challenge,
            timeout=_LIFE_MS,
            allow_credentials=own,
            user_verification=_VERIFIED,
        )
        return self._begin("step-up", challenge, options, holder, now)

    def begin_adding(self, holder: Holder, label: str, now: datetime) -> Ceremony:
        """Return a challenge for a new passkey of the caller; one that is known refuses by itself.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
            StepUpRequired, SignInStale: Show first that it is you (403).
            TooManyFactors: The caller has ten (409).
        """
        party, challenge = self._party(), csprng.token_bytes(CHALLENGE_BYTES)
        self._factors.database.read(lambda session: self._factors.require_fresh(session, holder, now))
        own = self._own(holder)
        if len(own) >= PASSKEYS_MAX:
            raise TooManyFactors
        options = webauthn.generate_registration_options(
            rp_id=party.domain,
            rp_name=NAME,
            user_id=holder.user_id.bytes,
            user_name=label,
            challenge=challenge,
            timeout=_LIFE_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
            ),
            exclude_credentials=own,
        )
        return self._begin("add", challenge, options, holder, now)

    def add(
        self, holder: Holder, ceremony_id: UUID, answer: Mapping[str, Any], *, label: str, now: datetime
    ) -> UUID:
        """Keep the passkey that answers a challenge and return its id.

        Every other session ends, and every contact is told.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
            FactorWrong: It does not answer an open challenge of this session (403).
            StepUpRequired, SignInStale: Show first that it is you (403).
            FactorExists: It is somebody's already (409).
            TooManyFactors: The caller has ten (409).
        """
        party = self._party()
        challenge = self._factors.database.run(
            lambda session: factor_store.consume_ceremony(
                session, ceremony_id, "add", now, of=(holder.user_id, holder.session_id)
            )
        )
        made = None if challenge is None else _made(party, challenge, answer)
        if made is None:
            raise FactorWrong
        return self._factors.database.run(lambda session: self._keep(session, holder, made, label, now))

    def sign_in(self, ceremony_id: UUID, answer: Mapping[str, Any], asker: Asker, now: datetime) -> Opened:
        """Open a session for whoever's passkey answers a challenge.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
            PasskeyRefused: It answers no open challenge, or is not known (401).
            RateLimited: Too often; nothing was used up (429).
            AccountSuspended: The account may do nothing (403).
        """

        def enter(session: Session, claimed: _Claimed, sign_count: int | None) -> Opened | NeravaError:
            if not _count_up(session, claimed, sign_count, now):
                self._admission.note_failure(session, ceremony_id, asker, now, kind="passkey_ceremony")
                return PasskeyRefused()
            self._factors.forgive(session, claimed.user_id)
            return self._admission.admit_known(
                session, known_user(session, claimed.user_id), method=PASSKEY, asker=asker, now=now
            )

        party = self._party()
        claimed = self._factors.database.run(
            lambda session: self._claim(session, ceremony_id, answer, by=asker, now=now)
        )
        if claimed is None:
            raise PasskeyRefused
        shown = _shown(party, claimed, answer)
        opened = self._factors.database.run(lambda session: enter(session, claimed, shown))
        if isinstance(opened, NeravaError):
            raise opened
        return opened

    def step_up(self, holder: Holder, ceremony_id: UUID, answer: Mapping[str, Any], now: datetime) -> None:
        """Show a passkey on this session; the session is `strong`, and freshly so.

        Raises:
            MethodOff: The installation has no domain for passkeys (503).
            FactorWrong: It does not answer an open challenge of this session (403).
            RateLimited: Too often; nothing was used up (429).
        """

        def note(session: Session, claimed: _Claimed, sign_count: int | None) -> NeravaError | None:
            if not _count_up(session, claimed, sign_count, now):
                self._factors.note_failure(session, holder, "session.step_up", claimed.factor_id, now)
                return FactorWrong()
            self._factors.stepped_up(session, holder, PASSKEY, now)
            return None

        party = self._party()
        claimed = self._factors.database.run(
            lambda session: self._claim(session, ceremony_id, answer, by=holder, now=now)
        )
        if claimed is None:
            raise FactorWrong
        shown = _shown(party, claimed, answer)
        refusal = self._factors.database.run(lambda session: note(session, claimed, shown))
        if refusal is not None:
            raise refusal

    def _party(self) -> RelyingParty:
        if self._relying_party is None:
            raise MethodOff
        return self._relying_party

    def _own(self, holder: Holder) -> list[PublicKeyCredentialDescriptor]:
        found = self._factors.database.read(lambda session: factor_store.passkeys_of(session, holder.user_id))
        return [PublicKeyCredentialDescriptor(id=bytes(one.credential_id)) for one in found]

    def _begin(
        self,
        kind: Kind,
        challenge: bytes,
        options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
        holder: Holder | None,
        now: datetime,
    ) -> Ceremony:
        ceremony_id = new_id()

        def unit(session: Session) -> None:
            row = PasskeyCeremony(
                id=ceremony_id,
                kind=kind,
                challenge=challenge,
                user_id=None if holder is None else holder.user_id,
                session_id=None if holder is None else holder.session_id,
                created_at=now,
                expires_at=now + LIFE,
            )
            session.add(row)

        self._factors.database.run(unit)
        return Ceremony(ceremony_id, options_to_json_dict(options), now + LIFE)

    def _claim(
        self,
        session: Session,
        ceremony_id: UUID,
        answer: Mapping[str, Any],
        *,
        by: Asker | Holder,
        now: datetime,
    ) -> _Claimed | None:
        """Count the try and use the challenge up; None when there is nothing to compare."""
        row = factor_store.passkey_by(session, _credential_id(answer))
        counted = None if row is None else row.user_id
        if isinstance(by, Holder):
            place, counted = by.asker.place, by.user_id
            challenge = factor_store.consume_ceremony(
                session, ceremony_id, "step-up", now, of=(by.user_id, by.session_id)
            )
            row = row if row is not None and row.user_id == by.user_id else None
        else:
            place = by.place
            challenge = factor_store.consume_ceremony(session, ceremony_id, "sign-in", now)
        self._factors.count_stranger(session, counted, place, now)
        if row is None or challenge is None:
            return None
        return _Claimed(challenge, row.id, row.user_id, bytes(row.public_key))

    def _keep(
        self, session: Session, holder: Holder, made: VerifiedRegistration, label: str, now: datetime
    ) -> UUID:
        self._factors.require_fresh(session, holder, now)
        if len(factor_store.locked_passkeys_of(session, holder.user_id)) >= PASSKEYS_MAX:
            raise TooManyFactors
        made_id = new_id()
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        row = {
            "id": made_id,
            "user_id": holder.user_id,
            "credential_id": made.credential_id,
            "public_key": made.credential_public_key,
            "sign_count": made.sign_count,
            "label": label,
            "is_backed_up": made.credential_backed_up,
            "created_at": now,
        }
        kept = dialect.insert(FactorPasskey).values(row).on_conflict_do_nothing()
        if session.scalar(kept.returning(FactorPasskey.id)) is None:
            raise FactorExists
        self._factors.changed(session, holder, "factor.add", made_id, PASSKEY, now=now)
        return made_id


_LIFE_MS: Final = int(LIFE.total_seconds() * 1_000)


def _count_up(session: Session, claimed: _Claimed, sign_count: int | None, now: datetime) -> bool:
    """Note the use of a passkey that was shown, and refuse one whose counter did not grow."""
    if sign_count is None:
        return False
    if not factor_store.count_up(session, claimed.factor_id, sign_count, now):
        log.warning("passkey %s did not count up; there may be two of it", claimed.factor_id)
        return False
    return True


def _credential_id(answer: Mapping[str, Any]) -> bytes:
    """Return the id of the passkey that an answer claims to be from; empty for none that could be."""
    try:
        return base64url_to_bytes(str(answer.get("rawId", "")))
    except ValueError:
        return b""


def _made(party: RelyingParty, challenge: bytes, answer: Mapping[str, Any]) -> VerifiedRegistration | None:
    """Return the passkey that answers a challenge, or None."""
    try:
        return webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.domain,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever a forged answer makes a parser raise, it is none
        log.info("a passkey was not accepted: %s", type(error).__name__)
        return None


def _shown(party: RelyingParty, claimed: _Claimed, answer: Mapping[str, Any]) -> int | None:
    """Return what the counter of a passkey shows, if this is its answer to the challenge; else None."""
    try:
        handle = answer["response"].get("userHandle")
        if handle is not None and base64url_to_bytes(handle) != claimed.user_id.bytes:
            return None
        shown = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=claimed.challenge,
            expected_rp_id=party.domain,
            expected_origin=list(party.origins),
            credential_public_key=claimed.public_key,
            # The counter is compared where it is changed, so that two answers at once cannot both pass.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever a forged answer makes a parser raise, it is none
        log.info("a passkey was not accepted: %s", type(error).__name__)
        return None
    return shown.new_sign_count
