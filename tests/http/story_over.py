"""What is compared when a story is over: our ledger, our states, and what every simulated provider believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from nerava.payouts.totals import total_at
from nerava.platform.db.types import instant_text
from nerava.simulators.webhooks import State
from tests.http.story import CPO, Story

HELD = """
SELECT t.template, count(*) FROM ledger_open_hold h JOIN ledger_transfer t ON t.id = h.hold_id
WHERE t.template <> 'session_reward' OR t.position = 0 GROUP BY t.template
"""
REASONS = {
    "session_reward": """
SELECT count(*) FROM reward_grant g JOIN charging_session s ON s.id = g.session_id
JOIN campaign c ON c.id = g.campaign_id
WHERE g.state = 'provisional' AND g.settle_by > :now AND (s.state = 'review' OR s.evidence_level < c.settle_level)
""",
    "redemption": "SELECT count(*) FROM redemption WHERE state = 'held' AND expires_at > :now",
    "driver_cashout": "SELECT count(*) FROM payout WHERE kind = 'driver_cashout' AND state IN ('requested', 'approved')",
    "merchant_payout": "SELECT count(*) FROM payout WHERE kind = 'merchant_payout' AND state IN ('requested', 'approved')",
}
"""By what was held, how many have a reason to be: somebody, or better evidence, has yet to decide."""

VERIFIED = "SELECT state, count(*) FROM message_job WHERE kind = 'verify' GROUP BY state"
EVENTS = "SELECT provider, event_id, state, trouble FROM inbound_event"
EVIDENCE = """
SELECT e.reference, s.energy_wh FROM session_evidence e JOIN charging_session s ON s.id = e.session_id
WHERE e.source LIKE 'ocpi:%' AND e.reference LIKE 'cdr:%'
"""


def story_is_over(story: Story) -> None:
    """Heal everything, work until nothing happens, and compare all books; nothing may differ."""
    story.world.play("over")
    story.until_idle()
    if found := [*_differences(story), *story.house.findings()]:
        raise AssertionError("\n".join(str(one) for one in found))


def _differences(story: Story) -> Iterator[object]:
    yield from _holds(story)
    yield from _webhooks(story)
    yield from _money(story)
    yield from _charges(story)
    yield from _cars(story)
    yield from _codes(story)


def _holds(story: Story) -> Iterator[object]:
    now = story.clock.now()
    for template, count in _rows(story, HELD):
        reasons = _rows(story, REASONS[template], now=now)[0][0] if template in REASONS else 0
        if count != reasons:
            yield f"{count} holds of {template}, {reasons} with a reason"


def _webhooks(story: Story) -> Iterator[object]:
    for one in story.world.webhooks.read():
        if one.state is not State.DELIVERED:
            yield f"{one.provider} {one.kind} is {one.state}"
    known = set()
    for provider, event_id, state, trouble in _rows(story, EVENTS):
        known.add((provider, event_id))
        if state not in {"done", "ignored"} and not (state == "dead" and trouble):
            yield f"{provider} {event_id} is {state}, {trouble}"
    for told in story.told - known:
        yield f"{told} was told, and nobody knows it"


def _money(story: Story) -> Iterator[object]:
    installation = story.house.installation
    assert installation.paid_by is not None
    total = total_at(
        installation.database, installation.ledger, installation.paid_by, "USD", story.clock.now()
    )
    if total.differs_by:
        yield total
    standing = Counter[str]()
    for transfer in story.world.stripe.objects("transfer"):
        standing[transfer["transfer_group"]] += transfer["amount"] - transfer["amount_reversed"]
    for payout_id, state, net in _rows(story, "SELECT id, state, amount_minor FROM payout"):
        sent = standing.pop(str(payout_id), 0)
        if (state, sent) not in {("paid", net), ("canceled", 0), ("failed", 0), ("returned", 0)}:
            yield f"payout {payout_id} of {net} is {state}, sent {sent}"
    if any(standing.values()):
        yield f"sent for nothing of ours: {standing}"


def _charges(story: Story) -> Iterator[object]:
    records = story.world.state("cpo")[CPO]["cdrs"]
    credited = {one["credit_reference_id"] for one in records.values() if one.get("credit")}
    ours = dict(_rows(story, EVIDENCE))
    for name, one in records.items():
        if one.get("credit"):
            continue
        expected = 0 if name in credited else round(one["total_energy"] * 1_000)
        if ours.pop(f"cdr:{name.lower()}", None) != expected:
            yield f"record {name} of {expected} Wh"
    if ours:
        yield f"records that nobody wrote: {ours}"


def _cars(story: Story) -> Iterator[object]:
    connected = len(story.world.state("smartcar-vehicle")["connections"])
    [(links,)] = _rows(story, "SELECT count(*) FROM vehicle_link WHERE state = 'active'")
    if connected != links:
        yield f"{connected} cars are connected, we know {links}"
    [(open_charges,)] = _rows(story, "SELECT count(*) FROM vehicle_charge WHERE ended_at IS NULL")
    charging = sum(
        one["phase"] == "charging" for one in story.world.state("smartcar-vehicle")["cars"].values()
    )
    if open_charges != charging:
        yield f"{charging} cars charge, we know {open_charges}"


def _codes(story: Story) -> Iterator[object]:
    started = story.world.state("twilio-verify")["started"]
    found: Counter[str] = Counter(dict(_rows(story, VERIFIED)))
    if found["sent"] != started or found.keys() - {"sent", "muted", "late", "failed"}:
        yield f"Verify started {started} codes, ours are {dict(found)}"


def _rows(story: Story, query: str, **given: Any) -> list[Any]:
    database = story.house.installation.database
    shown = {
        name: value if database.dialect == "postgresql" else instant_text(value)
        for name, value in given.items()
    }
    return database.read(lambda session: [tuple(row) for row in session.execute(text(query), shown)])
