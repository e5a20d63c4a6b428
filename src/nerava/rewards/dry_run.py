"""What a campaign would have cost: sessions of the past judged by it, one after the other; no I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.charging.states import SessionState
from nerava.drivers.nobody import NOBODY
from nerava.rewards.evaluation import CampaignDecision, Outcome, choose
from nerava.rewards.reasons import primary_reason
from nerava.rewards.usage import CapUse, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from nerava.charging.evidence import EvidencedSession
    from nerava.charging.evidenced import DecidedSession
    from nerava.kernel.money import FeeRate
    from nerava.rewards.evaluation import RunningCampaign

REJECTED: Final = "session.rejected"


class Rival(NamedTuple):
    """Another campaign of the same stacking group, and what it answered to the session then."""

    campaign: RunningCampaign
    decision: CampaignDecision


@dataclass(slots=True)
class Crowd:
    """Sessions, and whose they are; `points` by driver, none where nothing was earned."""

    sessions: int = 0
    points: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, driver_id: UUID, points: int = 0) -> None:
        """Count a session of a driver."""
        self.sessions += 1
        self.points[driver_id] += points

    @property
    def drivers(self) -> int:
        """How many there are."""
        return len(self.points)

    @property
    def points_most(self) -> int:
        """The most that one of them gets."""
        return max(self.points.values(), default=0)


@dataclass(slots=True)
class DayCost:
    """One local date. `points` and `fee` in minor units; what is only held is among them."""

    on: str
    points: int = 0
    fee: int = 0
    earning: Crowd = field(default_factory=Crowd)


@dataclass(slots=True)
class DryRunReport:
    """What came of it.

    Attributes:
        since, until: Sessions that began at or after the one and before the other, aware UTC.
        budget: What could be spent on points, in minor units; None for no end of it.
        rate: What the platform earns with each unit of it.
        considered: Sessions that were decided. Those of nobody are not among them.
        unlinked: Sessions that no longer name a driver, so that no cap could be kept.
        earning: Sessions that would have earned.
        held: How many of them would wait for better evidence, or for a person; their points are counted
            as spent, because they are reserved.
        points: What drivers would get, and `points_held` the part that waits.
        fee: What the platform would earn with it.
        refused: The others, by the reason that the campaign gives.
        days: By local date of the sessions, those with a cost only.
        exhausted_on: The local date of the first session that the budget could not pay; None if it lasts.
    """

    since: datetime
    until: datetime
    budget: int | None
    rate: FeeRate
    considered: Crowd = field(default_factory=Crowd)
    unlinked: int = 0
    earning: Crowd = field(default_factory=Crowd)
    held: int = 0
    points: int = 0
    points_held: int = 0
    fee: int = 0
    refused: dict[str, Crowd] = field(default_factory=lambda: defaultdict(Crowd))
    days: dict[str, DayCost] = field(default_factory=dict)
    exhausted_on: str | None = None

    @property
    def cost(self) -> int:
        """Points and fee."""
        return self.points + self.fee


class DryRun:
    """One campaign on its way through the past, from nothing granted and its whole budget.

    It judges by the evidence there is now: what was held first and reduced later counts as reduced
    from the beginning. Others of its stacking group answer as they did then.
    """

    def __init__(self, campaign: RunningCampaign, usage: Usage, report: DryRunReport) -> None:
        self._campaign = campaign
        self._usage = usage
        self._report = report
        self._left = report.budget

    def take(self, decided: DecidedSession, on: str, rivals: Sequence[Rival] = ()) -> bool:
        """Judge the next session, by start, on its local date; return whether it would have earned."""
        session, report = decided.session, self._report
        if session.driver_id == NOBODY:
            report.unlinked += 1
            return False
        report.considered.add(session.driver_id)
        if decided.state is SessionState.REJECTED:
            report.refused[decided.rejected_for or REJECTED].add(session.driver_id)
            return False
        decision = self._judge(session, on, rivals)
        if decision.outcome is Outcome.REFUSED:
            report.refused[primary_reason([decision])].add(session.driver_id)
            if decision.reason == "campaign.exhausted" and report.exhausted_on is None:
                report.exhausted_on = on
        else:
            self._count(session, on, decision)
        if not session.under_review:
            self._usage.note(session, on)
        return decision.outcome is not Outcome.REFUSED

    def _judge(self, session: EvidencedSession, on: str, rivals: Sequence[Rival]) -> CampaignDecision:
        decisions = [self._campaign.appraise(session, self._usage.history(session, on))]
        if decisions[0].outcome is not Outcome.REFUSED:
            decisions += [one.decision for one in rivals]
            campaigns = [self._campaign, *(one.campaign for one in rivals)]
            choose(decisions, campaigns, range(len(decisions)), self._afford)
        return decisions[0]

    def _afford(self, campaign: RunningCampaign, points: int) -> bool:
        """Say whether the budget can pay, and pay; whatever the others gave, they could."""
        if campaign is not self._campaign or self._left is None:
            return True
        if self._left < points:
            return False
        self._left -= points
        return True

    def _count(self, session: EvidencedSession, on: str, decision: CampaignDecision) -> None:
        report, points, driver = self._report, decision.points, session.driver_id
        fee = self._report.rate.share(points)
        held = decision.outcome is Outcome.HELD
        self._usage.add(CapUse(driver, self._campaign, on, points, given=not held))
        report.earning.add(driver, points)
        report.points += points
        report.fee += fee
        if held:
            report.held += 1
            report.points_held += points
        day = report.days.setdefault(on, DayCost(on))
        day.points += points
        day.fee += fee
        day.earning.add(driver, points)
