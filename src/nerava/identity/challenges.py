"""One-time codes: sent to a contact, guessed at most five times, used once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from nerava.identity import challenge_store
from nerava.identity.asking import Ask, ask, bound_to, kept_code, sent_to
from nerava.identity.challenge_store import FAILURES_MAX
from nerava.identity.contacts import ContactKind, read_contact
from nerava.identity.one_time import (
    GUESSES_MAX,
    WORK_BITS,
    Bound,
    KeptCode,
    digest,
    is_same,
    new_code,
    new_token,
)
from nerava.identity.outside_codes import is_elsewhere, is_right
from nerava.identity.user_store import knows_device
from nerava.kernel.errors import NeravaError
from nerava.platform.limit_numbers import CODE_VERIFY, CODE_WRONG
from nerava.platform.limits import RateLimited
from nerava.platform.metrics.catalogue import CODES
from nerava.platform.metrics.tally import tally

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Asker
    from nerava.identity.asking import Desk, Whose
    from nerava.identity.challenge_store import SignInChallenge
    from nerava.identity.contacts import Channel
    from nerava.identity.one_time import Guess
    from nerava.identity.sessions import Opened


class CodeWrong(NeravaError):
    """This is not the code; the same challenge may take another guess."""

    code = "code-wrong"
    status = HTTPStatus.UNAUTHORIZED
    title = "The code is wrong"


class ChallengeOver(NeravaError):
    """No guess helps any more: used, expired, replaced, tried too often, another client's, or never made."""

    code = "challenge-over"
    status = HTTPStatus.UNAUTHORIZED
    title = "Ask for a new one"


class WorkNeeded(NeravaError):
    """More wrong codes come in than people mistype, so strangers prove work with each guess."""

    code = "work-needed"
    status = HTTPStatus.PRECONDITION_REQUIRED
    title = "Prove some work with the code"
    outcome = "not_executed"

    def __init__(self) -> None:
        super().__init__(
            "send `work`: a text with which SHA-256 of `challenge_id:code:work` begins with "
            f"{WORK_BITS} zero bits; or sign in another way, or from a device that is known"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the asking client gets.

    Attributes:
        client_token: Its secret; without it the code is worth nothing.
        expires_at: Aware UTC.
    """

    challenge_id: UUID
    client_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A guess that was counted and may be compared."""

    bound: Bound
    kept: KeptCode
    to: str = field(repr=False)


class Codes:
    """Sends codes and takes guesses. Safe to share between threads and processes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def start(
        self, channel: Channel, to: str, asker: Asker, now: datetime, whose: Whose | None = None
    ) -> Asked:
        """Send a code, good for 10 minutes, to a phone or a mailbox; a worker does it within seconds.

        The answer is the same whether anybody is known there or not. With `whose` the code lets
        nobody in: it shows that this user is reached there.

        Raises:
            ContactInvalid: Nothing can be sent there (422).
            MethodOff: The installation has nobody who would send it (503).
            SwitchedOff: Ops stopped it (503).
            RateLimited: Too often (429).
        """
        contact = read_contact(channel, to)
        self._desk.messages.require(channel)
        token, code = new_token(), new_code()
        wanted = Ask(
            kind="code",
            contact=contact,
            client_hash=digest(token),
            code=code,
            text=f"{code} is your Nerava code. It works for 10 minutes. Nobody from Nerava asks you for it.",
            whose=whose,
            is_kept_elsewhere=contact.kind is ContactKind.PHONE and self._desk.keeper is not None,
        )
        made = self._desk.database.run(lambda session: ask(self._desk, session, wanted, asker, now))
        return Asked(made.id, token, made.expires_at)

    def verify(self, guess: Guess, asker: Asker, now: datetime) -> Opened:
        """Sign in with a code, and make an account where there is none.

        The guess is counted and committed before it is compared: whatever crashes can lose a guess
        and never give one away.

        Raises:
            CodeWrong: It is another one (401).
            ChallengeOver: No guess helps any more (401).
            WorkNeeded: Prove work too (428); nothing was counted.
            RateLimited: Too often; the guess was not looked at (429).
            CodeUnchecked: Whoever keeps the code could not be asked (503).
            AccountSuspended, MethodTooWeak: The code is right and the account may not come in with it (403).
        """
        self.check(guess, asker, now)
        opened = self._desk.database.run(lambda session: self._use(session, guess.challenge_id, asker, now))
        if isinstance(opened, NeravaError):
            raise opened
        return opened

    def check(self, guess: Guess, asker: Asker, now: datetime, whose: Whose | None = None) -> None:
        """Count a guess, commit that, and compare it; return when it is right. Uses the code not up.

        Raises:
            CodeWrong: It is another one (401).
            ChallengeOver: No guess helps any more, or it was not asked for by `whose` (401).
            WorkNeeded: Prove work too (428); nothing was counted.
            RateLimited: Too often; the guess was not looked at (429).
            CodeUnchecked: Whoever keeps the code could not be asked (503).
        """
        claimed = self._desk.database.run(lambda session: self._claim(session, guess, asker, now, whose))
        if isinstance(claimed, NeravaError):
            raise claimed
        if not self._is_right(claimed, guess.code):
            self._desk.database.run(lambda session: self._count_wrong(session, guess, asker, now))
            raise CodeWrong

    def _is_right(self, claimed: _Claimed, code: str) -> bool:
        if not is_elsewhere(claimed.kept):
            return self._desk.pepper.matches(claimed.kept, claimed.bound, code)
        if self._desk.keeper is None:
            raise ChallengeOver  # Whoever keeps the code is not asked any more since.
        return is_right(self._desk.keeper, claimed.kept, claimed.to, code)

    def _claim(
        self, session: Session, guess: Guess, asker: Asker, now: datetime, whose: Whose | None
    ) -> _Claimed | NeravaError:
        """Count a guess, or return why it is not even looked at."""
        challenge = challenge_store.locked(session, guess.challenge_id)
        mine = challenge is not None and is_same(challenge.client_hash, digest(guess.client_token))
        if challenge is None or not mine or challenge.kind != "code" or challenge.whose != whose:
            self._hit(session, f"stranger:{asker.place.address}", asker, now)
            return ChallengeOver()
        if not challenge.is_open(now, GUESSES_MAX):
            self._hit(session, f"over:{challenge.id}", asker, now)
            return ChallengeOver()
        self._hit(session, challenge.identity_ix.hex(), asker, now)
        if challenge_store.failures_of(session, challenge.identity_ix) >= FAILURES_MAX:
            return ChallengeOver()
        if self._is_flooded(session, now) and not _is_proven(session, challenge, guess, asker):
            return WorkNeeded()
        challenge_store.count_failure(session, challenge.identity_ix, now)
        challenge.attempts += 1
        to = sent_to(self._desk, session, challenge).value
        return _Claimed(bound_to(challenge), kept_code(challenge), to)

    def _use(self, session: Session, challenge_id: UUID, asker: Asker, now: datetime) -> Opened | NeravaError:
        challenge = challenge_store.locked(session, challenge_id)
        if challenge is None or challenge.contact_sealed is None:
            return ChallengeOver()
        contact, contact_ix = sent_to(self._desk, session, challenge), challenge.contact_ix
        if not challenge_store.consume(session, challenge_id, now):
            return ChallengeOver()
        challenge_store.forgive(session, challenge.identity_ix)
        return self._desk.admission.admit(
            session, contact, contact_ix, method=challenge.channel, asker=asker, now=now
        )

    def _is_flooded(self, session: Session, now: datetime) -> bool:
        """Whether everybody's budget of wrong codes is spent, so that a right one may be a guess."""
        try:
            self._desk.limits.check(session, CODE_WRONG.keyed(), now)
        except RateLimited:
            return True
        return False

    def _count_wrong(self, session: Session, guess: Guess, asker: Asker, now: datetime) -> None:
        tally(session, CODES, "wrong")
        self._desk.admission.note_failure(session, guess.challenge_id, asker, now)
        with contextlib.suppress(RateLimited):  # It is spent already, and that is all it says.
            self._desk.limits.hit(session, CODE_WRONG.keyed(), now)

    def _hit(self, session: Session, identity: str, asker: Asker, now: datetime) -> None:
        self._desk.limits.hit(session, CODE_VERIFY.keyed(identity=identity, client=asker.place), now)


def _is_proven(session: Session, challenge: SignInChallenge, guess: Guess, asker: Asker) -> bool:
    """Whether a guess comes with work, or from a device that the account was used on before."""
    if guess.proves_work():
        return True
    return asker.device is not None and knows_device(session, challenge.contact_ix, asker.device.key)
