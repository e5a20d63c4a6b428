"""Writes the dashboards of Grafana from the list of panels below: `python -m tools.dashboards`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
WIDE, HALF, SMALL, TALL, LOW = 24, 12, 4, 8, 4

REQUESTS: Final = "nerava_http_requests_total"
DURATION: Final = "nerava_http_request_duration_seconds"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        unit: As Grafana calls it: `reqps`, `s`, `percentunit`, `short`, `bytes`.
        queries: An expression and what its lines are called, for each.
        stat: Whether it is a number instead of lines over time.
        bad_above: What is red, of a number; None for none.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    stat: bool = False
    bad_above: float | None = None


def number(title: str, expression: str, *, unit: str = "short", bad_above: float | None = None) -> Panel:
    """Return a panel with one number."""
    return Panel(title, unit, ((expression, title),), stat=True, bad_above=bad_above)


def lines(title: str, unit: str, *queries: tuple[str, str]) -> Panel:
    """Return a panel with lines over time."""
    return Panel(title, unit, queries)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return how often something happens a second, over all processes."""
    return f"sum(rate({metric}{where}[5m]))" + (f" by ({by})" if by else "")


def quantile(share: float, histogram: str, by: str = "") -> str:
    """Return below which a share of what a histogram counted lies."""
    kept = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', kept)})"


def average(histogram: str, by: str) -> str:
    """Return the average of what a histogram counted."""
    return f"{rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)}"


def or_none(expression: str) -> str:
    """Return 0 where nothing of the kind has happened yet."""
    return f"{expression} or vector(0)"


SERVICE: Final = (
    number("Ready", "sum(nerava_ready)"),
    number("Requests a second", "sum(rate(nerava_http_requests_total[5m]))", unit="reqps"),
    number(
        "Errors of ours",
        or_none(rate(REQUESTS, where='{status=~"5.."}') + " / " + rate(REQUESTS)),
        unit="percentunit",
        bad_above=0.01,
    ),
    number(
        "p99",
        quantile(0.99, "nerava_http_request_duration_seconds"),
        unit="s",
        bad_above=1,
    ),
    number("Clock", "max(abs(nerava_clock_offset_seconds)) or vector(0)", unit="s", bad_above=5),
    number("Versions", "count(count(nerava_build_info) by (version, schema))", bad_above=1),
    lines("Requests by route", "reqps", (rate("nerava_http_requests_total", "route"), "{{route}}")),
    lines(
        "Requests by status",
        "reqps",
        (rate("nerava_http_requests_total", "status"), "{{status}}"),
    ),
    lines(
        "Duration",
        "s",
        *(
            (
                quantile(share, "nerava_http_request_duration_seconds"),
                name,
            )
            for share, name in ((0.5, "median"), (0.95, "p95"), (0.99, "p99"))
        ),
    ),
    lines(
        "Slowest routes",
        "s",
        (
            f"topk(8, {average(DURATION, 'route')})",
            "{{route}}",
        ),
    ),
    lines("Refusals", "reqps", (rate("nerava_http_refusals_total", "code"), "{{code}}")),
    lines("In progress", "short", ("sum(nerava_http_requests_in_progress) by (instance)", "{{instance}}")),
    lines(
        "Database connections at work",
        "percentunit",
        ("nerava_database_connections_in_use / nerava_database_connections_max", "{{instance}}"),
    ),
    lines("Memory", "bytes", ('process_resident_memory_bytes{job=~"nerava-.*"}', "{{instance}}")),
    lines(
        "Processor", "percentunit", ('rate(process_cpu_seconds_total{job=~"nerava-.*"}[5m])', "{{instance}}")
    ),
    lines("Descriptors", "short", ('process_open_fds{job=~"nerava-.*"}', "{{instance}}")),
)

MONEY: Final = (
    number("Broken invariants", "sum(max(nerava_audit_breaks) by (check)) or vector(0)", bad_above=1),
    number("Cash behind each point", "min(nerava_reserve_cover_ratio)", unit="percentunit"),
    number("Reserve, minor units", "max(nerava_reserve_minor)"),
    number("Nova in circulation", "max(nerava_nova_in_circulation)"),
    number("Switches on", "sum(max(nerava_kill_switches_on) by (switch)) or vector(0)", bad_above=1),
    number("Payout cases", "sum(max(nerava_payout_cases_open) by (kind)) or vector(0)", bad_above=1),
    lines(
        "Reserve and circulation",
        "short",
        ("max(nerava_reserve_minor)", "reserve, minor units"),
        ("max(nerava_nova_in_circulation)", "Nova in circulation"),
    ),
    lines(
        "Made and unmade a minute",
        "short",
        ("max(rate(nerava_nova_issued_total[5m])) * 60", "made"),
        ("max(rate(nerava_nova_burnt_total[5m])) * 60", "unmade"),
    ),
    lines("Rewards a minute", "short", (rate("nerava_rewards_total", "state") + " * 60", "{{state}}")),
    lines(
        "Redemptions a minute",
        "short",
        (rate("nerava_redemptions_total", "state") + " * 60", "{{state}}"),
    ),
    lines("Payouts a minute", "short", (rate("nerava_payouts_total", "state") + " * 60", "{{state}}")),
    lines("Open payouts", "short", ("max(nerava_payouts_open) by (state)", "{{state}}")),
    lines("Oldest open payout", "s", ("max(nerava_payouts_open_age_seconds) by (state)", "{{state}}")),
    lines(
        "Sessions a minute",
        "short",
        (rate("nerava_charging_sessions_total", "state") + " * 60", "{{state}}"),
    ),
    lines(
        "Batches of the ledger a second",
        "short",
        (rate("nerava_ledger_batches_total", "lane, outcome"), "{{lane}} {{outcome}}"),
    ),
    lines(
        "Chains in a batch",
        "short",
        (
            average("nerava_ledger_batch_chains", "lane"),
            "{{lane}}",
        ),
    ),
    lines(
        "A batch takes, p99",
        "s",
        (
            quantile(0.99, "nerava_ledger_batch_duration_seconds", "lane"),
            "{{lane}}",
        ),
    ),
    lines(
        "Waiting for a batch, and turned away",
        "short",
        ("sum(nerava_ledger_queue_chains) by (lane)", "{{lane}} waits"),
        (or_none(rate("nerava_ledger_shed_total", "lane")), "{{lane}} turned away a second"),
    ),
    lines("Not in the hash chain yet", "s", ("max(nerava_ledger_unsealed_age_seconds)", "oldest")),
    lines("Last look at the books", "s", ("max(nerava_audit_look_age_seconds) by (scope)", "{{scope}}")),
)

WORK: Final = (
    number("Work given up", "sum(max(nerava_queue_given_up) by (queue)) or vector(0)", bad_above=1),
    number("Oldest due work", "max(nerava_queue_oldest_due_seconds)", unit="s", bad_above=300),
    number("Oldest unread event", "max(nerava_outbox_lag_seconds)", unit="s", bad_above=300),
    number("Last sign of a worker", 'max(nerava_work_beat_age_seconds{share="own"})', unit="s", bad_above=90),
    number(
        "Providers left alone",
        "sum(max(nerava_provider_breakers_open) by (provider)) or vector(0)",
        bad_above=1,
    ),
    number("Cars charging", "max(nerava_charging_sessions_open)"),
    lines("Work that is due", "short", ("max(nerava_queue_late) by (queue)", "{{queue}}")),
    lines("How long it has been due", "s", ("max(nerava_queue_oldest_due_seconds) by (queue)", "{{queue}}")),
    lines(
        "Age of the oldest unread event", "s", ("max(nerava_outbox_lag_seconds) by (reader)", "{{reader}}")
    ),
    lines("Events a second", "short", (rate("nerava_events_total", "type"), "{{type}}")),
    lines(
        "Rounds of work a minute",
        "short",
        (rate("nerava_job_runs_total", "outcome") + " * 60", "{{outcome}}"),
    ),
    lines(
        "Jobs that fail",
        "short",
        ('sum(increase(nerava_job_runs_total{outcome="failed"}[15m])) by (job) > 0 or vector(0)', "{{job}}"),
    ),
    lines("Since the last sign of work", "s", ("max(nerava_work_beat_age_seconds) by (share)", "{{share}}")),
    lines(
        "Calls to providers",
        "reqps",
        (
            or_none(rate("nerava_provider_calls_total", "provider, ending")),
            "{{provider}} {{ending}}",
        ),
    ),
    lines(
        "Calls to providers take, p99",
        "s",
        (
            or_none(quantile(0.99, "nerava_provider_call_duration_seconds", "provider")),
            "{{provider}}",
        ),
    ),
    lines(
        "Held back",
        "reqps",
        (
            or_none(rate("nerava_provider_held_back_total", "provider, code")),
            "{{provider}} {{code}}",
        ),
    ),
    lines(
        "Cache",
        "reqps",
        (
            or_none(rate("nerava_cache_requests_total", "layer, result")),
            "{{layer}} {{result}}",
        ),
    ),
    lines("Redis", "short", ("min(nerava_redis_used) or vector(0)", "asked")),
    lines(
        "Messages a minute",
        "short",
        (
            or_none(rate("nerava_messages_total", "channel, state") + " * 60"),
            "{{channel}} {{state}}",
        ),
    ),
    lines(
        "Codes and links a minute",
        "short",
        (or_none(rate("nerava_sign_in_codes_total", "outcome") + " * 60"), "{{outcome}}"),
    ),
    lines(
        "Turned away by limits",
        "reqps",
        (or_none(rate("nerava_rate_limited_total", "limit")), "{{limit}}"),
    ),
    lines("Sign-ins that are open", "short", ("max(nerava_sign_in_sessions_open)", "open")),
)

DASHBOARDS: Final = {
    "service": ("Nerava: service", SERVICE),
    "money": ("Nerava: money", MONEY),
    "work": ("Nerava: work and providers", WORK),
}


def document(name: str) -> str:
    """Return a dashboard as the JSON that Grafana reads."""
    title, panels = DASHBOARDS[name]
    body = {
        "uid": f"nerava-{name}",
        "title": title,
        "tags": ["nerava"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "panels": _placed(panels),
    }
    return json.dumps(body, indent=1) + "\n"


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    stats = [one for one in panels if one.stat]
    charts = [one for one in panels if not one.stat]
    places = [(SMALL * number % WIDE, 0, SMALL, LOW) for number, _ in enumerate(stats)]
    places += [
        (HALF * (number % 2), LOW + TALL * (number // 2), HALF, TALL) for number, _ in enumerate(charts)
    ]
    return [
        _panel(number, panel, place)
        for number, (panel, place) in enumerate(zip(stats + charts, places, strict=True), start=1)
    ]


def _panel(number: int, panel: Panel, place: tuple[int, int, int, int]) -> dict[str, Any]:
    x, y, width, height = place
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.bad_above is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.bad_above}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write every dashboard."""
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(document(name), "utf-8")


if __name__ == "__main__":
    main()
