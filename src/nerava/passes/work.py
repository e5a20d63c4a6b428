"""Brings passes up to date: reads what happened to drivers, and tells phones at most once a minute."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, or_, select

from nerava.drivers.pass_changes import forget_device, look_again, next_tag
from nerava.drivers.pass_store import PassKind, PassState, WalletPass, WalletPassDevice
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater
from nerava.outbox.consumers import events_after, move_on, take_turn
from nerava.passes.contents import content_of, digest_of
from nerava.passes.ports import GONE
from nerava.passes.times import later_second
from nerava.platform.outbound import caller_deadline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.outcomes import Outcome
    from nerava.passes.keeping import Passes
    from nerava.passes.ports import ApplePasses, Content

log = logging.getLogger(__name__)

READER: Final = "passes"
READ_AT_ONCE: Final = 500
MOVES_POINTS: Final = frozenset({"reward", "redemption", "payout"})
"""What events are about that change what a driver has, by their first word."""

TOLD_AT_ONCE: Final = 50
LEASE: Final = timedelta(minutes=3)
CALLS_WITHIN_S: Final = 120.0
"""All calls of one round; shorter than the lease, so that two workers never tell of the same pass."""

ANYWAY_AFTER: Final = timedelta(days=1)
"""What is moved by no event, such as points that lapse, is found by looking."""

KEPT_VOIDED: Final = timedelta(days=7)
"""For so long phones can fetch a pass that says that it is over; then nothing is left of it here."""

FIRST: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(minutes=30)
UNTIL_LOOKED_AT: Final = timedelta(minutes=15)
ATTEMPTS_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A pass that this worker tells phones of now."""

    pass_id: UUID
    fence: int
    kind: PassKind
    is_known: bool
    content: Content
    until: datetime
    push_tokens: Sequence[str] = field(repr=False, default=())


class PassWork:
    """Everything that happens between the outbox and phones. Safe to share, and to kill anywhere."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._database = passes.database

    def read(self, now: datetime) -> int:
        """Have the passes looked at that the next events are about; return how many events were read."""

        def unit(session: Session) -> int:
            reading = take_turn(session, READER, now)
            if reading is None:
                return 0
            events = events_after(session, reading.position, READ_AT_ONCE)
            drivers = {
                one.driver_id
                for one in events
                if one.driver_id is not None and one.type.partition(".")[0] in MOVES_POINTS
            }
            if drivers:
                look_again(session, drivers, now)
            move_on(session, reading, events[-1].position if events else reading.position, now)
            return len(events)

        return self._database.run(unit)

    def tell(self, now: datetime) -> int:
        """Tell phones of the passes that show something else now; return how many passes were done with."""
        done = 0
        with caller_deadline(CALLS_WITHIN_S):
            for claim in self._database.run(lambda session: self._claimed(session, now)):
                outcome = self._told(claim)
                done += self._database.run(
                    lambda session, claim=claim, outcome=outcome: _note(session, claim, outcome, now),  # type: ignore[misc]
                    repeatable=True,
                )
        return done

    def _claimed(self, session: Session, now: datetime) -> list[Claim]:
        free = or_(WalletPass.leased_until.is_(None), WalletPass.leased_until <= now)
        due = select(WalletPass).where(WalletPass.next_at <= now, free)
        due = due.order_by(WalletPass.next_at, WalletPass.id).limit(TOLD_AT_ONCE)
        rows = session.scalars(due.with_for_update(skip_locked=True, key_share=True)).all()
        contents = [content_of(session, row, now) for row in rows]
        changed = [
            (row, digest)
            for row, digest in zip(rows, map(digest_of, contents), strict=True)
            if row.shown != digest
        ]
        # The tag last: whoever holds it holds back everybody else who changes a pass.
        tag = next_tag(session, now) if changed else 0
        for row, digest in changed:
            row.shown, row.tag = digest, tag
            row.modified_at = later_second(now, row.modified_at)
        claims = []
        for row, content in zip(rows, contents, strict=True):
            if row.told_tag == row.tag:
                _rest(session, row, now)
            elif self._is_on(row.kind):
                claims.append(_claim(session, row, content, now))
            else:
                _note_told(session, row, now, is_voided=content.is_voided)
        return claims

    def _is_on(self, kind: str) -> bool:
        return PassKind(kind) in self._passes.offered

    def _told(self, claim: Claim) -> Outcome[None]:
        if claim.kind is PassKind.GOOGLE and self._passes.google is not None:
            return self._passes.google.put(claim.content, is_known=claim.is_known)
        if claim.kind is PassKind.APPLE and self._passes.apple is not None:
            return self._pushed(claim, self._passes.apple)
        raise AssertionError("what is off is not claimed")

    def _pushed(self, claim: Claim, apple: ApplePasses) -> Outcome[None]:
        """Tell every phone; one that is gone is forgotten, one that fails does not stop the others."""
        worst: Outcome[None] = Ok(None)
        for push_token in claim.push_tokens:
            outcome = apple.push(push_token)
            if isinstance(outcome, Refused) and outcome.code == GONE:
                self._database.run(
                    lambda session, told=push_token: forget_device(session, claim.pass_id, told),  # type: ignore[misc]
                    repeatable=True,
                )
            elif not isinstance(outcome, Ok):
                worst = outcome
                if isinstance(outcome, Misconfigured):
                    break
        return worst


def _claim(session: Session, row: WalletPass, content: Content, now: datetime) -> Claim:
    row.fence += 1
    row.leased_until = row.next_at = now + LEASE
    row.pushed_at, row.attempts = now, min(row.attempts + 1, ATTEMPTS_COUNTED)
    tokens = select(WalletPassDevice.push_token).where(WalletPassDevice.pass_id == row.id)
    push_tokens = session.scalars(tokens.order_by(WalletPassDevice.device)).all()
    is_known = row.told_tag > 0
    return Claim(row.id, row.fence, PassKind(row.kind), is_known, content, now + LEASE, push_tokens)


def _note(session: Session, claim: Claim, outcome: Outcome[None], now: datetime) -> int:
    mine = select(WalletPass).where(WalletPass.id == claim.pass_id, WalletPass.fence == claim.fence)
    row = session.scalars(mine.with_for_update(key_share=True)).one_or_none()
    if row is None:
        return 0
    row.leased_until = None
    # Whoever had it looked at meanwhile set an earlier time, which stays.
    changed_at = row.next_at if row.next_at < claim.until else None
    if isinstance(outcome, Ok):
        _note_told(session, row, now, is_voided=claim.content.is_voided)
    else:
        row.trouble, row.next_at = outcome.code[:60], _again(outcome, row.attempts, now)
    if changed_at is not None:
        row.next_at = min(row.next_at, changed_at)
    return 1 if isinstance(outcome, Ok) else 0


def _note_told(session: Session, row: WalletPass, now: datetime, *, is_voided: bool) -> None:
    """Write down that phones know what there is to know; of one that is over, who had it is forgotten.

    Only who has the lease gives a pass a new tag, so what was told of is what is there.
    """
    row.told_tag, row.trouble, row.attempts = row.tag, None, 0
    row.next_at = now + (KEPT_VOIDED if is_voided else ANYWAY_AFTER)
    if is_voided:
        session.execute(delete(WalletPassDevice).where(WalletPassDevice.pass_id == row.id))


def _rest(session: Session, row: WalletPass, now: datetime) -> None:
    """Let a pass be until tomorrow; one that is over and was told of a while ago goes."""
    if row.state == PassState.VOIDED.value:
        session.delete(row)
    else:
        row.next_at = now + ANYWAY_AFTER


def _again(outcome: Outcome[None], attempts: int, now: datetime) -> datetime:
    if isinstance(outcome, Misconfigured):
        log.error("passes cannot be brought up to date: %s", outcome.code)
        return now + UNTIL_LOOKED_AT
    gap: timedelta = min(LONGEST, FIRST * (1 << min(attempts, 10)))
    if isinstance(outcome, RetryLater) and outcome.not_before is not None:
        return max(outcome.not_before, now)
    return now + gap
