"""Magic links: sent by e-mail, used once, and only in the browser that asked or with the code it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from nerava.identity import challenge_store
from nerava.identity.asking import Ask, ask, bound_to, kept_code, sent_to
from nerava.identity.challenge_store import FAILURES_MAX
from nerava.identity.challenges import ChallengeOver, CodeWrong
from nerava.identity.contacts import Channel, read_contact
from nerava.identity.messages import MethodOff
from nerava.identity.one_time import (
    PAIR_GUESSES_MAX,
    Bound,
    KeptCode,
    digest,
    is_same,
    new_code,
    new_token,
)
from nerava.kernel.errors import NeravaError
from nerava.platform.limit_numbers import LINK_CONSUME

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Asker
    from nerava.identity.asking import Desk
    from nerava.identity.sessions import Opened


class PairCodeNeeded(NeravaError):
    """The link was opened in another browser than the one that asked for it."""

    code = "pair-code-needed"
    status = HTTPStatus.FORBIDDEN
    title = "Type the code that the other browser shows"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class LinkAsked:
    """What the asking browser gets.

    Attributes:
        browser_token: Its secret, kept in a cookie that no script reads.
        pair_code: Six digits to show, for whoever opens the link in another browser.
        expires_at: Aware UTC.
    """

    browser_token: str = field(repr=False)
    pair_code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """A link as a browser brings it back.

    Attributes:
        browser_token: From the browser's cookie, if it has one.
        pair_code: What somebody typed, in another browser.
    """

    token: str = field(repr=False)
    browser_token: str | None = field(default=None, repr=False)
    pair_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A link that may be used; with a pair code that was counted and is still to be compared."""

    challenge_id: UUID
    pair: tuple[Bound, KeptCode, str] | None


class Links:
    """Sends links and takes them back. Safe to share between threads and processes."""

    def __init__(self, desk: Desk, page: str | None) -> None:
        """Take the desk, and the address of our page that posts the token; without one links are off."""
        self._desk = desk
        self._page = page

    def start(self, to: str, asker: Asker, now: datetime) -> LinkAsked:
        """Send a link, good for 10 minutes and for one use, to a mailbox.

        The token stands behind the `#`: no server logs it and no `Referer` carries it. The answer
        is the same whether anybody is known there or not.

        Raises:
            ContactInvalid: Nothing can be sent there (422).
            MethodOff: The installation has nobody who would send it, or no page for it (503).
            RateLimited: Too often (429).
        """
        contact = read_contact(Channel.EMAIL, to)
        self._desk.messages.require(Channel.EMAIL)
        if self._page is None:
            raise MethodOff
        token, browser_token, pair_code = new_token(), new_token(), new_code()
        wanted = Ask(
            kind="link",
            contact=contact,
            client_hash=digest(browser_token),
            code=pair_code,
            text=f"Sign in to Nerava with this link, within 10 minutes:\n\n{self._page}#{token}\n",
            token_hash=digest(token),
        )
        made = self._desk.database.run(lambda session: ask(self._desk, session, wanted, asker, now))
        return LinkAsked(browser_token, pair_code, made.expires_at)

    def consume(self, opening: Opening, asker: Asker, now: datetime) -> Opened:
        """Sign in with a link, and make an account where there is none.

        Raises:
            ChallengeOver: Used, expired, replaced, tried too often, or never sent (401).
            PairCodeNeeded: Another browser asked, so its pair code is needed (403).
            CodeWrong: The pair code is another one (401).
            RateLimited: Too often; nothing was looked at (429).
            AccountSuspended, MethodTooWeak: The account may not come in with a link (403).
        """
        claimed = self._desk.database.run(lambda session: self._claim(session, opening, asker, now))
        if isinstance(claimed, NeravaError):
            raise claimed
        if claimed.pair is not None:
            bound, kept, typed = claimed.pair
            if not self._desk.pepper.matches(kept, bound, typed):
                self._desk.database.run(
                    lambda session: self._desk.admission.note_failure(
                        session, claimed.challenge_id, asker, now
                    )
                )
                raise CodeWrong
        opened = self._desk.database.run(lambda session: self._use(session, claimed.challenge_id, asker, now))
        if isinstance(opened, NeravaError):
            raise opened
        return opened

    def _claim(
        self, session: Session, opening: Opening, asker: Asker, now: datetime
    ) -> _Claimed | NeravaError:
        challenge = challenge_store.locked_by_token(session, digest(opening.token))
        identity = f"stranger:{asker.place.address}" if challenge is None else challenge.identity_ix.hex()
        self._desk.limits.hit(session, LINK_CONSUME.keyed(identity=identity, client=asker.place), now)
        if challenge is None or not challenge.is_open(now, PAIR_GUESSES_MAX):
            return ChallengeOver()
        if challenge_store.failures_of(session, challenge.identity_ix) >= FAILURES_MAX:
            return ChallengeOver()
        browser = opening.browser_token
        if browser is not None and is_same(challenge.client_hash, digest(browser)):
            return _Claimed(challenge.id, None)
        if opening.pair_code is None:
            return PairCodeNeeded()
        challenge.attempts += 1
        return _Claimed(challenge.id, (bound_to(challenge), kept_code(challenge), opening.pair_code))

    def _use(self, session: Session, challenge_id: UUID, asker: Asker, now: datetime) -> Opened | NeravaError:
        challenge = challenge_store.locked(session, challenge_id)
        if challenge is None or challenge.contact_sealed is None:
            return ChallengeOver()
        contact, contact_ix = sent_to(self._desk, session, challenge), challenge.contact_ix
        if not challenge_store.consume(session, challenge_id, now):
            return ChallengeOver()
        return self._desk.admission.admit(session, contact, contact_ix, method="link", asker=asker, now=now)
