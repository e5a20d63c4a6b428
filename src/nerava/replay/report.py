"""What a replay came to: counted from the database, so that two runs that end the same say the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nerava.ledger.audit import audit
from nerava.rewards.tally import CampaignTally, Tally, campaign_tallies, tally
from nerava.web.checks import CHECKS

if TYPE_CHECKING:
    from nerava.ledger.findings import Finding
    from nerava.platform.db import Database
    from nerava.replay.run import ReplayCounts


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """One run, and the state that it left.

    Attributes:
        seconds: How long taking in, evaluating, posting and settling took.
        sessions_per_second: Sessions of the recording over those seconds.
        findings: Breaks that the audit found; empty is clean.
    """

    counts: ReplayCounts
    seconds: float
    tally: Tally
    campaigns: list[CampaignTally]
    findings: list[Finding]

    @property
    def sessions_per_second(self) -> float:
        """Sessions that were worked off, new and known, over the seconds it took."""
        return (self.counts.new + self.counts.known) / self.seconds if self.seconds else 0.0

    @property
    def refused_rows(self) -> Counter[str]:
        """Rows that are no sessions, by reason."""
        return Counter(str(row.reason) for row in self.counts.refused)

    @property
    def ok(self) -> bool:
        """Whether the ledger is clean and every campaign's money adds up."""
        return not self.findings and all(one.money.adds_up for one in self.campaigns)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it. Amounts in minor units, points in Nova."""
        return {
            "ok": self.ok,
            "rows": self.counts.rows,
            "rows_refused": [
                {"row": one.row, "reference": one.reference, "reason": str(one.reason), "detail": one.detail}
                for one in self.counts.refused
            ],
            "this_run": {
                "new": self.counts.new,
                "known": self.counts.known,
                "evaluated": self.counts.evaluated,
                "settled": self.counts.settled,
                "seconds": round(self.seconds, 3),
                "sessions_per_second": round(self.sessions_per_second, 1),
            },
            "sessions": {
                "total": self.tally.sessions,
                "states": dict(sorted(self.tally.states.items())),
                "earned": self.tally.earned,
                "held": self.tally.held,
                "undecided": self.tally.undecided,
                "not_earned": dict(self.tally.reasons.most_common()),
            },
            "points_granted": self.tally.points,
            "campaigns": [_campaign_dict(one) for one in self.campaigns],
            "audit": [
                {"check": one.check, "subject": one.subject, "detail": one.detail} for one in self.findings
            ],
        }


def report(database: Database, counts: ReplayCounts, seconds: float) -> ReplayReport:
    """Count what is stored, add up every campaign and audit the ledger."""
    return ReplayReport(
        counts,
        seconds,
        database.read(tally, patient=True),
        database.read(campaign_tallies, patient=True),
        database.read(lambda session: audit(session, CHECKS), patient=True),
    )


def reason_text(code: str) -> str:
    """Return a reason for earning nothing in plain words; facts that differ by session are left out."""
    return REASONS.get(code, code)


REASONS: Final = {
    "campaign.exhausted": "the budget was spent",
    "campaign.holdout": "the driver belongs to the share that earns nothing, to measure the effect",
    "campaign.none": "no campaign was running",
    "campaign.outside_window": "outside every campaign's dates",
    "cap.driver_day_reached": "the driver had the day's most already",
    "cap.driver_total_reached": "the driver had the campaign's most already",
    "connector_power.too_strong": "the plug was too strong for the campaign",
    "connector_power.too_weak": "the plug was too weak for the campaign",
    "connector_power.unknown": "nobody knows how strong the plug was",
    "evidence.below_minimum": "not proven well enough",
    "evidence.presence_only": "only the phone says so",
    "first_sessions.over": "the campaign rewarded the driver's first sessions already",
    "ledger.refused": "the ledger refused the posting",
    "locations.elsewhere": "the location does not take part",
    "minimum_energy.too_little": "too little energy",
    "minimum_minutes.too_short": "too short for the campaign",
    "multiplier.below": "the driver's tier earns nothing more",
    "multiplier.nothing": "the tier's share is less than a point",
    "networks.elsewhere": "the network does not take part",
    "new_driver.known": "the driver was not new any more",
    "off_peak.outside": "outside the off-peak hours",
    "off_peak.too_little": "too little energy off peak",
    "off_peak_bonus.too_little_inside": "most of it outside the off-peak hours",
    "per_kwh.too_little": "too little energy for a point",
    "percent_of_price.free": "the session cost nothing",
    "percent_of_price.not_known": "nobody told what the session cost",
    "percent_of_price.other_currency": "the price is in another currency",
    "percent_of_price.too_little": "too low a price for a point",
    "price.waiting": "the operator's record may still tell the price",
    "purchase_match.none": "nothing was bought near the session",
    "purchase_match.too_far": "what was bought was too far away",
    "purchase_match.too_small": "what was bought was too little",
    "score.below_minimum": "too many doubts about the session",
    "session.power_impossible": "more power than any plug has",
    "session.test_site": "at a test site",
    "session.too_short": "shorter than two minutes",
    "session.zero_energy": "no energy at all",
    "stacking.another_won": "another campaign paid instead",
    "streak.short": "the driver did not charge often enough in a row",
    "tier.below": "the driver's tier was too low",
    "zone.outside": "outside the campaign's zone",
    "zone.unknown": "nobody knows where the location lies",
}


def _campaign_dict(one: CampaignTally) -> dict[str, Any]:
    money = one.money
    return {
        "name": one.name,
        "state": one.state.value,
        "funded": money.funded,
        "left": money.left,
        "held": money.held,
        "granted": money.granted,
        "fees": money.fee_left + money.fee_earned,
        "adds_up": money.adds_up,
    }
