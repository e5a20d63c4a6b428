"""Every metric there is: its name, its kind, its labels and what it means; docs/METRICS.md lists them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What kind of number a metric is."""

    COUNTER = "counter"
    """Only grows; its name ends in `_total`."""

    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Of(StrEnum):
    """Whose fact a metric is."""

    PROCESS = "process"
    """What one process did or holds: add up over processes."""

    INSTALLATION = "installation"
    """What the database says, the same in every process: take the maximum over processes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of time series.

    Attributes:
        name: With its unit, and `_total` for what is counted.
        meaning: For people; names the values of labels where they are few.
        labels: Their values come from closed sets: templates, words of ours, never ids or addresses.
        buckets: Upper bounds, of a histogram alone.
    """

    name: str
    kind: Kind
    of: Of
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONG_SECONDS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0)
SIZES: Final = (1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0, 2_000.0)


def _counter(name: str, meaning: str, *labels: str, of: Of = Of.PROCESS) -> Metric:
    return Metric(name, Kind.COUNTER, of, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, Of.PROCESS, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = SECONDS) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Of.PROCESS, meaning, labels, buckets)


def _fact(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, Of.INSTALLATION, meaning, labels)


# What a process did, and what it holds.
BUILD: Final = _gauge(
    "nerava_build_info", "Always 1; what runs here, as `/version` says it", "version", "schema", "process"
)
READY: Final = _gauge("nerava_ready", "Whether this process wants traffic: 1 or 0; of web processes")
CLOCK_OFFSET: Final = _gauge(
    "nerava_clock_offset_seconds", "How far the database's clock is ahead of this machine's; PostgreSQL"
)

HTTP_REQUESTS: Final = _counter(
    "nerava_http_requests_total",
    "Requests by the template of their address (`unmatched` where there is none) and status",
    "method",
    "route",
    "status",
)
HTTP_DURATION: Final = _histogram(
    "nerava_http_request_duration_seconds",
    "From the request's head to the last byte of its answer",
    "method",
    "route",
)
HTTP_IN_PROGRESS: Final = _gauge("nerava_http_requests_in_progress", "Requests that have no whole answer yet")
HTTP_REFUSALS: Final = _counter(
    "nerava_http_refusals_total",
    "Answers that were problem documents of ours, by their `code`, such as `overloaded`, `insufficient-nova`",
    "code",
)
RATE_LIMITED: Final = _counter(
    "nerava_rate_limited_total", "Requests that a limit refused, by the name of the limit", "limit"
)

LEDGER_BATCHES: Final = _counter(
    "nerava_ledger_batches_total",
    "Batches of the group commit: `posted`, `apart` (committed one by one) or `failed`",
    "lane",
    "outcome",
)
LEDGER_BATCH_CHAINS: Final = _histogram(
    "nerava_ledger_batch_chains", "Chains in one batch", "lane", buckets=SIZES
)
LEDGER_BATCH_DURATION: Final = _histogram(
    "nerava_ledger_batch_duration_seconds", "How long a batch took to commit", "lane"
)
LEDGER_QUEUE: Final = _gauge("nerava_ledger_queue_chains", "Chains that wait for the next batch", "lane")
LEDGER_SHED: Final = _counter(
    "nerava_ledger_shed_total", "Chains that were refused because they would have waited too long", "lane"
)

EVENTS: Final = _counter(
    "nerava_events_total",
    "Events that were committed here, of every type there is, such as `user.erased`",
    "type",
)
SESSIONS_JUDGED: Final = _counter(
    "nerava_charging_sessions_total", "Charging sessions: `verified`, `under_review`, `rejected`", "state"
)
REWARDS: Final = _counter(
    "nerava_rewards_total", "Rewards of sessions: `held`, `granted`, `released`, `clawed_back`", "state"
)
REDEMPTIONS: Final = _counter(
    "nerava_redemptions_total",
    "Redemptions: `captured`, `partly_refunded`, `refunded`, `voided`",
    "state",
)
PAYOUTS: Final = _counter(
    "nerava_payouts_total",
    "Payouts: `requested`, `approved`, `submitted`, `paid`, `failed`, `returned`, `canceled`",
    "state",
)
CODES: Final = _counter(
    "nerava_sign_in_codes_total", "One-time codes and links: `asked`, `wrong`, `used`", "outcome"
)
MESSAGES: Final = _counter(
    "nerava_messages_total",
    "Messages to people by channel (`sms`, `email`): `sent`, `failed`, `late`, `muted`",
    "channel",
    "state",
)

PROVIDER_CALLS: Final = _counter(
    "nerava_provider_calls_total",
    "Attempts to call other machines: `ok`, `refused`, `busy`, `failed`, `lost`, `not_sent`",
    "provider",
    "operation",
    "ending",
)
PROVIDER_DURATION: Final = _histogram(
    "nerava_provider_call_duration_seconds",
    "Attempts that were sent, from the connection to the last byte",
    "provider",
)
PROVIDER_HELD_BACK: Final = _counter(
    "nerava_provider_held_back_total",
    "Attempts that never left, and why: an open breaker, a pause the provider asked for, too many at once",
    "provider",
    "code",
)
BREAKERS_OPEN: Final = _gauge(
    "nerava_provider_breakers_open",
    "Parts of a provider that are left alone because they kept failing",
    "provider",
)
CACHE: Final = _counter(
    "nerava_cache_requests_total",
    "Looks into the cache, by layer (`memory`, `shared`, `origin`): `hit`, `miss`, `stale`, `error`",
    "region",
    "layer",
    "result",
)
REDIS_USED: Final = _gauge(
    "nerava_redis_used", "1 while Redis is asked, 0 while it is left alone; missing where none is set up"
)
REDIS_FAILURES: Final = _counter("nerava_redis_failures_total", "How often Redis failed or was slow")
CONNECTIONS: Final = _gauge("nerava_database_connections_in_use", "Connections to the database that work")
CONNECTIONS_MAX: Final = _gauge("nerava_database_connections_max", "How many there may be")

JOB_RUNS: Final = _counter(
    "nerava_job_runs_total",
    "Rounds of background work: `done`, `idle`, `failed`, `switched_off`",
    "job",
    "outcome",
)
JOB_DURATION: Final = _histogram(
    "nerava_job_duration_seconds", "Rounds that did something or failed", "job", buckets=LONG_SECONDS
)
JOB_SUCCESS: Final = _gauge(
    "nerava_job_last_success_timestamp_seconds",
    "When a round last ended well here, in seconds since 1970",
    "job",
)

CERTIFICATE_ENDS: Final = _gauge(
    "nerava_certificate_ends_timestamp_seconds",
    "When a certificate of ours ends, in seconds since 1970: `apple_wallet`, which signs passes",
    "certificate",
)

# What the database says.
FACTS_UP: Final = _fact(
    "nerava_facts_up", "Whether the facts below could be read: 1 or 0; at 0 they are left out"
)
FACTS_AGE: Final = _fact("nerava_facts_age_seconds", "How old they are; they are kept for some seconds")
FACTS_READ: Final = _fact("nerava_facts_read_seconds", "How long it took to read them")

AUDIT_BREAKS: Final = _fact(
    "nerava_audit_breaks", "Open alarms of the watch over the books, by invariant; each must be 0", "check"
)
AUDIT_LOOK_AGE: Final = _fact(
    "nerava_audit_look_age_seconds",
    "When the watch last looked: `now` every 15 minutes, `history` and `chain` every day at least",
    "scope",
)
RESERVE: Final = _fact("nerava_reserve_minor", "Cash behind points, in minor units")
CIRCULATION: Final = _fact("nerava_nova_in_circulation", "Points that exist")
COVER: Final = _fact(
    "nerava_reserve_cover_ratio", "Cash behind each point; must be 1, and is 1 without points"
)
NOVA_ISSUED: Final = _counter("nerava_nova_issued_total", "Points that were ever made", of=Of.INSTALLATION)
NOVA_BURNT: Final = _counter("nerava_nova_burnt_total", "Points that were ever unmade", of=Of.INSTALLATION)
UNSEALED: Final = _fact(
    "nerava_ledger_unsealed_batches", "Batches that are not in the hash chain yet; at most 10,000 are counted"
)
UNSEALED_AGE: Final = _fact(
    "nerava_ledger_unsealed_age_seconds", "Age of the oldest of them; 0 where there is none"
)
PAYOUTS_OPEN: Final = _fact(
    "nerava_payouts_open",
    "Payouts under way: `requested`, `approved`, `submitted`, `unknown`; at most 10,000 each",
    "state",
)
PAYOUTS_AGE: Final = _fact(
    "nerava_payouts_open_age_seconds",
    "Since when the oldest of them was asked for; 0 where there is none",
    "state",
)
PAYOUT_CASES: Final = _fact(
    "nerava_payout_cases_open", "Cases of payouts that a person must look into", "kind"
)
QUEUE_WAITING: Final = _fact("nerava_queue_waiting", "Work that is not done, due or not, by queue", "queue")
QUEUE_LATE: Final = _fact("nerava_queue_late", "Work that is due; a moment of it is normal", "queue")
QUEUE_AGE: Final = _fact(
    "nerava_queue_oldest_due_seconds",
    "For how long the longest due has been due; 0 where nothing is",
    "queue",
)
QUEUE_GIVEN_UP: Final = _fact(
    "nerava_queue_given_up", "Work that nothing happens to without a person", "queue"
)
OUTBOX_UNORDERED: Final = _fact(
    "nerava_outbox_unordered_events", "Events without a position; at most 10,000 are counted"
)
OUTBOX_UNREAD: Final = _fact("nerava_outbox_unread_events", "Events that a reader has yet to read", "reader")
OUTBOX_LAG: Final = _fact(
    "nerava_outbox_lag_seconds",
    "Age of the oldest event that a reader has not read, or (`order`) that has no position; 0 where all are",
    "reader",
)
SESSIONS_OPEN: Final = _fact(
    "nerava_charging_sessions_open", "Cars that are charging, as far as we know; at most 10,000"
)
SIGN_INS_OPEN: Final = _fact(
    "nerava_sign_in_sessions_open", "Sign-ins that are not over; at most 10,000 are counted"
)
SWITCHES: Final = _fact(
    "nerava_kill_switches_on",
    "Kill switches that are on; those of one campaign, merchant, driver … by what they stop",
    "switch",
)
BEAT_AGE: Final = _fact(
    "nerava_work_beat_age_seconds",
    "Since when no process has worked on this share of the background work: `own`, `events`, `providers`, "
    "`directories`, `watch`, `proof`; the last three may take minutes over one piece",
    "share",
)


def every_metric() -> tuple[Metric, ...]:
    """Return all of them, in the order above."""
    return tuple(one for one in globals().values() if isinstance(one, Metric))


def as_table(of: Of) -> str:
    """Return the metrics of one kind as the table of docs/METRICS.md."""
    rows = [
        f"| `{one.name}` | {one.kind.value} | {', '.join(map('`{}`'.format, one.labels))} | {one.meaning} |"
        for one in every_metric()
        if one.of is of
    ]
    return "\n".join(["| name | kind | labels | meaning |", "|---|---|---|---|", *rows])
