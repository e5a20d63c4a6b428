"""What one process of an installation measures, put together; nothing of it exists where nobody measures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava import __version__, migrations
from nerava.outbox.catalogue import EVENTS
from nerava.outbox.publishing import BY_STATE
from nerava.outbox.queries import behind
from nerava.platform.beat_store import beat, beats
from nerava.platform.metrics import catalogue as metrics
from nerava.platform.metrics.access import OperatorToken
from nerava.platform.metrics.requests import InProgress, Measured
from nerava.platform.metrics.rounds import Rounds
from nerava.platform.metrics.sample import Sample
from nerava.platform.outbound import Ending, log_attempt
from nerava.platform.readiness import Word
from nerava.web.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fastapi import FastAPI
    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.platform.cache import Cache
    from nerava.platform.db import Database
    from nerava.platform.metrics.meter import Meter
    from nerava.platform.outbound import Attempt, Observer
    from nerava.platform.outbound.health import Healths
    from nerava.platform.readiness import Readiness, Warns
    from nerava.settings import Settings

BEAT_MAX: Final = {
    "own": timedelta(seconds=90),
    "events": timedelta(seconds=90),
    "providers": timedelta(minutes=10),
    "directories": timedelta(hours=1),
    "watch": timedelta(hours=1),
    "proof": timedelta(hours=6),
}
"""For how long a share of the background work may show no sign of life; a large piece takes its time."""

OUTBOX_LAG_MAX: Final = timedelta(minutes=5)


def meter_of(settings: Settings) -> Meter | None:
    """Return the meter of this process; None where nothing is measured."""
    if not settings.measures:
        return None
    from nerava.platform.metrics.meter import Meter  # noqa: PLC0415 - who does not measure must not load it

    return Meter()


def observer_of(meter: Meter | None) -> Observer:
    """Return who is told of every attempt to call another machine."""
    if meter is None:
        return log_attempt

    def observe(attempt: Attempt) -> None:
        log_attempt(attempt)
        meter.count(metrics.PROVIDER_CALLS, attempt.provider, attempt.operation, attempt.ending.value)
        if attempt.ending is Ending.NOT_SENT:
            meter.count(metrics.PROVIDER_HELD_BACK, attempt.provider, attempt.code or "unknown")
        else:
            meter.observe(metrics.PROVIDER_DURATION, attempt.duration_ms / 1_000, attempt.provider)

    return observe


def rounds_of(database: Database, meter: Meter | None) -> Rounds:
    """Return what watches the background work of this process."""

    def show_life(share: str, now: datetime) -> None:
        database.run(lambda session: beat(session, share, now), repeatable=True, essential=True)

    return Rounds(show_life, meter)


def measure(
    meter: Meter | None, place: tuple[Database, Clock], ledger: Ledger, cache: Cache, healths: Healths
) -> None:
    """Have a meter, if there is one, tell what the database says and what this process holds."""
    if meter is None:
        return
    database, clock = place

    def held() -> Iterator[Sample]:
        in_use, at_most = database.connections
        yield Sample(metrics.CONNECTIONS, (), in_use)
        yield Sample(metrics.CONNECTIONS_MAX, (), at_most)
        for lane, waiting in ledger.queues().items():
            yield Sample(metrics.LEDGER_QUEUE, (lane,), waiting)
        for (region, layer, what), times in cache.counts.read().items():
            yield Sample(metrics.CACHE, (region, layer, what.value), times)
        if cache.link is not None:
            yield Sample(metrics.REDIS_USED, (), cache.link.is_used)
            yield Sample(metrics.REDIS_FAILURES, (), cache.link.failures)
        for provider, number in healths.breakers_open().items():
            yield Sample(metrics.BREAKERS_OPEN, (provider,), number)

    _begin_at_zero(meter)
    database.count_commits(meter.take)
    meter.add_reading(held)
    meter.add_reading(Facts(database, clock))


def _begin_at_zero(meter: Meter) -> None:
    for event in EVENTS:
        for name in event.types():
            meter.expect(metrics.EVENTS, name)
            if event.noun in BY_STATE:
                meter.expect(BY_STATE[event.noun], name.partition(".")[2])
    for outcome in ("asked", "wrong", "used"):
        meter.expect(metrics.CODES, outcome)


def measure_process(meter: Meter, process: str) -> None:
    """Have a meter tell what runs here: `serve` or `work`."""
    build = (__version__, migrations.head() or "none", process)
    meter.add_reading(lambda: [Sample(metrics.BUILD, build, 1)])


def measure_web(app: FastAPI, meter: Meter, readiness: Readiness) -> None:
    """Have a meter tell how a web process stands, and every request of its application."""
    in_progress = InProgress()

    def standing() -> Iterator[Sample]:
        yield Sample(metrics.READY, (), readiness.word is Word.READY)
        yield Sample(metrics.HTTP_IN_PROGRESS, (), in_progress.requests)
        if readiness.clock_offset is not None:
            yield Sample(metrics.CLOCK_OFFSET, (), readiness.clock_offset.total_seconds())

    measure_process(meter, "serve")
    meter.add_reading(standing)
    app.add_middleware(Measured, meter=meter, in_progress=in_progress)


def operator_of(settings: Settings, clock: Clock) -> OperatorToken:
    """Return what opens `/metrics` and the map of `/readyz`."""
    return OperatorToken.of(settings.live("metrics.token", clock))


def warnings_of(cache: Cache, began: datetime) -> Warns:
    """Return what finds out what does not go well, and takes no process out of service.

    `began` is when this process did: what showed no sign of life before has until then to show one.
    """

    def warn(session: Session, now: datetime) -> list[str]:
        found = []
        if cache.link is not None and not cache.link.is_used:
            found.append("redis: left alone for a moment; everything goes on without it")
        known = beats(session)
        silent = {share: now - max(known.get(share, began), began) for share in BEAT_MAX}
        late = [share for share, most in BEAT_MAX.items() if silent[share] > most]
        if late:
            found.append(f"workers: nobody works on {', '.join(late)}")
        lag = max(one.lag for one in behind(session, now))
        if lag > OUTBOX_LAG_MAX:
            found.append(f"outbox: events wait for {int(lag.total_seconds())} s")
        return found

    return warn
