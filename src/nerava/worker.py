"""Composition root of the background work: what happens later, round after round, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava.identity import challenge_store, factor_store, invites, message_store
from nerava.identity.session_retention import forget as forget_sessions
from nerava.kernel.errors import NeravaError
from nerava.ledger.sealing import seal_day
from nerava.ledger.stops import SwitchedOff
from nerava.merchants.expiring import expire_due
from nerava.merchants.purchases import match_orders
from nerava.outbox import deliveries
from nerava.outbox.consumers import remove_old
from nerava.outbox.publishing import give_positions
from nerava.platform import tracing
from nerava.platform.idempotency_store import forget
from nerava.platform.metrics.rounds import Rounds
from nerava.platform.outbound.pauses import forget_pauses
from nerava.rewards.expiring import Expiring
from nerava.rewards.referral_rewards import reward_qualified
from nerava.rewards.referrals import qualify
from nerava.rewards.service import evaluate_closed
from nerava.rewards.settlement import settle
from nerava.rewards.taking_back import recover_owed, review_grants
from nerava.rewards.window_end import end_those_over

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from nerava.audit import AuditLog
    from nerava.identity.messages import Messages
    from nerava.inbound.work import EventWork
    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.outbox.relay import Relay
    from nerava.payouts.service import Payouts
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault
    from nerava.privacy.erasures import Erasures
    from nerava.privacy.exports import Exports
    from nerava.privacy.retention import Retention
    from nerava.rewards.checkouts import CheckoutWork
    from nerava.rewards.disputes import DisputeWork
    from nerava.rewards.sponsor_refunds import RefundWork
    from nerava.settings import WorkerSettings
    from nerava.settlements.closing import Closing
    from nerava.settlements.dunning import Reminding
    from nerava.settlements.paying import Paying

log = logging.getLogger(__name__)

AT_ONCE: Final = timedelta(0)
HOURLY: Final = timedelta(hours=1)
MINUTELY: Final = timedelta(minutes=1)
SECONDLY: Final = timedelta(seconds=1)
FAILED_PAUSE_S: Final = 5.0
SWITCHED_OFF_PAUSE: Final = timedelta(seconds=5)
STOP_PATIENCE_S: Final = 20.0
KEYS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work.

    Attributes:
        name: As it appears in the log.
        every: How often it is looked at when there is nothing to do.
        run: Does a bounded piece and returns how much; 0 means nothing was waiting. Safe to repeat
            and to kill at any point.
        share: Jobs of one share have one thread, so that a slow provider keeps only those waiting
            that wait for providers.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], int]
    share: str = "own"


PROVIDERS: Final = "providers"
"""The share of jobs that call other machines."""

DIRECTORIES: Final = "directories"
"""The share of jobs that load directories from other machines, which takes minutes."""


class BackgroundWork:
    """A thread for each share runs its jobs in turn. A job that fails is logged and tried again later."""

    def __init__(
        self, jobs: Sequence[Job], clock: Clock, settings: WorkerSettings, rounds: Rounds | None = None
    ) -> None:
        self._jobs = jobs
        self._rounds = rounds or Rounds()
        self._clock = clock
        self._pause_s = settings.pause_ms / 1_000
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._quiet_until: dict[str, datetime] = {}
        self._due = {job.name: datetime.min.replace(tzinfo=UTC) for job in jobs}

    def start(self) -> None:
        """Begin to work in threads of its own."""
        shares = dict.fromkeys(job.share for job in self._jobs)
        self._threads = [
            threading.Thread(target=self._work, args=(share,), name=f"background-{share}", daemon=True)
            for share in shares
        ]
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Begin no further piece; returns at once, also in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Finish the pieces at hand, for 20 s at most, and end. Repeats safely."""
        self._stop.set()
        until = time.monotonic() + STOP_PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._threads = []

    def run(self) -> None:
        """Work until `ask_to_stop` is called, as by a signal handler, then end like `stop`."""
        self.start()
        while not self._stop.is_set():
            time.sleep(0.1)  # a signal is seen within this
        self.stop()

    def round(self, share: str | None = None) -> int:
        """Run every job that is due once, those of one share or all, and return how much was done."""
        mine = [job for job in self._jobs if share in {None, job.share}]
        return sum(self._run_one(job) for job in mine if self._due[job.name] <= self._clock.now())

    def _work(self, share: str) -> None:
        while not self._stop.is_set():
            self._rounds.alive(share, self._clock.now())
            if self.round(share) == 0:
                self._stop.wait(self._pause_s)

    def _run_one(self, job: Job) -> int:
        if self._stop.is_set():
            return 0
        now = self._clock.now()
        ended = self._rounds.begin(job.name, now)
        try:
            with tracing.job(job.name) as span:
                done = span.did(job.run(now))
        except SwitchedOff as error:
            # The work waits where it is; the log says so once an hour and job, not at every look.
            if now >= self._quiet_until.get(job.name, now):
                log.info("%s waits: %s", job.name, error)
                self._quiet_until[job.name] = now + HOURLY
            self._due[job.name] = now + SWITCHED_OFF_PAUSE
            return ended("switched_off")
        except Exception as error:  # whatever it is, the other jobs go on
            expected = isinstance(error, NeravaError)
            log.warning("%s failed: %s", job.name, error, exc_info=None if expected else error)
            self._due[job.name] = now + timedelta(seconds=FAILED_PAUSE_S)
            return ended("failed")
        if done == 0:
            self._due[job.name] = now + job.every
        return ended("done" if done else "idle", done)


def jobs(database: Database, ledger: Ledger, settings: WorkerSettings) -> Sequence[Job]:
    """Return the jobs of this installation, the most urgent first."""
    kept = timedelta(days=settings.answers_kept_days)

    def forget_answers(now: datetime) -> int:
        return database.run(lambda session: forget(session, before=now - kept))

    def daily_seal(now: datetime) -> int:
        return len(database.run(lambda session: seal_day(session, now)))

    def evaluate(now: datetime) -> int:
        report = database.run(lambda session: evaluate_closed(session, ledger, now, settings.batch_size))
        return report.evaluated

    def settle_due(now: datetime) -> int:
        return database.run(lambda session: settle(session, ledger, now, settings.batch_size)).looked_at

    def expire_codes(now: datetime) -> int:
        return database.run(lambda session: expire_due(session, ledger, now, settings.batch_size))

    def match_purchases(now: datetime) -> int:
        return database.run(lambda session: match_orders(session, now))

    return (
        Job("evaluate closed sessions", AT_ONCE, evaluate),
        Job("settle provisional rewards", SECONDLY, settle_due),
        Job("expire codes that nobody took", SECONDLY, expire_codes),
        Job("match purchases with charging sessions", SECONDLY, match_purchases),
        Job("link postings into the hash chain", SECONDLY, lambda _now: ledger.seal()),
        Job("seal the day", HOURLY, daily_seal),
        Job("forget old answers", HOURLY, forget_answers),
    )


def after_grant_jobs(database: Database, ledger: Ledger, settings: WorkerSettings) -> Sequence[Job]:
    """Return the jobs for points that were given: they expire, or turn out not to be earned."""
    expiring = Expiring(database, ledger, settings.batch_size)

    def review(now: datetime) -> int:
        return review_grants(database, ledger, now)

    def recover(now: datetime) -> int:
        return recover_owed(database, ledger, now)

    return (
        Job("let referrals qualify", MINUTELY, lambda now: qualify(database, now)),
        Job("pay referrals", MINUTELY, lambda now: reward_qualified(database, ledger, now)),
        Job("take back what was not earned", SECONDLY, review),
        Job("take what drivers owe", MINUTELY, recover),
        Job("let points expire", MINUTELY, expiring.run),
    )


def sign_in_jobs(database: Database, messages: Messages) -> Sequence[Job]:
    """Return the jobs that somebody who signs in waits for, and those that forget what was for it."""

    def forget_old(now: datetime) -> int:
        return database.run(
            lambda session: (
                challenge_store.purge(session, now)
                + invites.end_expired(session, now)
                + message_store.purge(session, now)
                + factor_store.purge(session, now)
            )
        )

    return (
        Job("send messages", AT_ONCE, messages.deliver),
        Job("forget old challenges and messages", MINUTELY, forget_old),
    )


def protection_jobs(database: Database, vault: Vault, limits: Limits) -> Sequence[Job]:
    """Return the jobs that keep keys new and counters few."""

    def rewrap(_now: datetime) -> int:
        return database.run(lambda session: vault.rewrap(session, KEYS_AT_ONCE))

    def purge(now: datetime) -> int:
        return database.run(lambda session: limits.purge(session, now))

    def forget_asked(now: datetime) -> int:
        return database.run(lambda session: forget_pauses(session, now), essential=True)

    return (
        Job("wrap data keys under the newest key", MINUTELY, rewrap),
        Job("forget limits that no longer count", MINUTELY, purge),
        Job("forget what providers asked for once", HOURLY, forget_asked),
    )


def session_jobs(database: Database) -> Sequence[Job]:
    """Return the job that forgets sessions long over."""

    def forget_over(now: datetime) -> int:
        return database.run(lambda session: forget_sessions(session, now))

    return (Job("forget sessions that are over", HOURLY, forget_over),)


def privacy_jobs(exports: Exports, erasures: Erasures, retention: Retention) -> Sequence[Job]:
    """Return the jobs for people who asked about their own data, and the one that keeps none too long."""
    return (
        Job("make and wipe copies of people's data", SECONDLY, exports.make),
        Job("erase people who asked for it", MINUTELY, erasures.advance),
        Job("remove what is too old", HOURLY, retention.run),
    )


def inbound_jobs(work: EventWork) -> Sequence[Job]:
    """Return the jobs for what providers told us."""
    return (
        Job("work on what providers told", AT_ONCE, work.run, PROVIDERS),
        Job("wipe what providers told long ago", HOURLY, work.wipe),
    )


EVENTS: Final = "events"
"""The share of jobs that bring events out of the house; nothing in it waits for an answer."""


def outbox_jobs(database: Database, relay: Relay, readers: Collection[str]) -> Sequence[Job]:
    """Return the jobs that order events, bring them to endpoints, and forget what everybody has read."""

    def order(_now: datetime) -> int:
        return database.run(give_positions)

    def queue(now: datetime) -> int:
        return database.run(lambda session: deliveries.fan_out(session, now))

    def forget_deliveries(now: datetime) -> int:
        return database.run(lambda session: deliveries.forget_old(session, now))

    def forget_events(now: datetime) -> int:
        return database.run(lambda session: remove_old(session, readers, now))

    return (
        Job("order events", AT_ONCE, order, EVENTS),
        Job("queue events for endpoints", AT_ONCE, queue, EVENTS),
        Job("bring events to endpoints", AT_ONCE, relay.run, EVENTS),
        Job("forget old events", HOURLY, forget_events),
        Job("forget old deliveries", HOURLY, forget_deliveries),
    )


def payout_jobs(payouts: Payouts) -> Sequence[Job]:
    """Return the jobs that pay people; none where no provider is connected."""
    if payouts.provider is None:
        return ()
    driving, methods, reconciling = payouts.driving, payouts.methods, payouts.reconciling
    return (
        Job("drive payouts", AT_ONCE, driving.run, PROVIDERS),
        Job("look at payout methods", SECONDLY, methods.look, PROVIDERS),
        Job("find payouts that are stuck", MINUTELY, driving.find_stuck),
        Job("compare the provider's book with ours", MINUTELY, reconciling.run, PROVIDERS),
    )


def settlement_jobs(closing: Closing, paying: Paying, reminding: Reminding) -> Sequence[Job]:
    """Return the jobs that close the periods of merchants, pay them out and remind them of invoices."""
    return (
        Job("close the periods of merchants", MINUTELY, closing.run),
        Job("pay merchants out", MINUTELY, paying.run),
        Job("remind merchants of invoices", MINUTELY, reminding.run),
    )


def campaign_jobs(database: Database, audit: AuditLog) -> Sequence[Job]:
    """Return the job that ends campaigns whose window is over."""

    def end_over(now: datetime) -> int:
        return database.run(lambda session: end_those_over(session, audit, now))

    return (Job("end campaigns that are over", MINUTELY, end_over),)


def payment_jobs(checkouts: CheckoutWork, refunds: RefundWork, disputes: DisputeWork) -> Sequence[Job]:
    """Return the jobs that drive payments of sponsors, what goes back to them, and what payers take back."""
    return (
        Job("drive payments of sponsors", AT_ONCE, checkouts.run, PROVIDERS),
        Job("drive refunds to sponsors", AT_ONCE, refunds.run, PROVIDERS),
        Job("read disputed payments", AT_ONCE, disputes.run, PROVIDERS),
    )
