"""What the tests of money share: a house with books, callers that are truly parallel, the closing audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from sqlalchemy import text

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger import Asset, Effect, Ledger, Status
from nerava.ledger.audit import audit
from nerava.ledger.chart import (
    account_of,
    campaign_budget,
    campaign_fee,
    driver_nova,
    house_accounts,
    sponsor_prepaid,
)
from nerava.ledger.findings import Finding
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.ledger.verify import verify
from tests.helpers.parallel import Crowd, Processes, Threads, in_parallel, overlap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.ledger import AccountBalance, Chain, Verdict
    from nerava.platform.db import Database

__all__ = [
    "Books",
    "CampaignTotals",
    "Crowd",
    "Note",
    "Processes",
    "Reply",
    "Threads",
    "Way",
    "findings",
    "in_parallel",
    "overlap",
]

Way = Literal["submit", "inline"]
"""How a chain is posted: by group commit, or inside a unit of work of its own."""

CURRENCY = "USD"
PROVIDER = "stripe"


class Reply(NamedTuple):
    """What one caller was told; small enough to travel between processes."""

    status: Status
    transaction_id: UUID | None


class CampaignTotals(NamedTuple):
    """Where the money of a campaign is, in minor units, by its transfers and its open holds.

    Attributes:
        funded: What came from the sponsor's deposits.
        left: What it can still pay or earn.
        held: What provisional rewards reserve.
        granted: What stands behind points, less what was taken back.
        fees: What the platform earned, less what it gave back.
        refunded: What went back to the sponsor's deposits.
    """

    funded: int
    left: int
    held: int
    granted: int
    fees: int
    refunded: int

    def add_up(self) -> bool:
        """Whether every cent that came in is accounted for."""
        return self.funded == self.left + self.held + self.granted + self.fees + self.refunded


class Note(Effect):
    """An effect that leaves one row in `effect_note` for each time it was applied."""

    def __init__(self, about: UUID) -> None:
        self.about = about

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write one row for each effect."""
        rows = [{"about": str(note.about)} for note, _ in items]
        session.execute(text("INSERT INTO effect_note (about) VALUES (:about)"), rows)

    @staticmethod
    def create_table(session: Session) -> None:
        """Create the table that notes are written to; nothing in it is unique."""
        session.execute(text("CREATE TABLE effect_note (about CHAR(36) NOT NULL)"))

    @staticmethod
    def count(session: Session, about: UUID) -> int:
        """Return how often the effect was applied for a fact."""
        query = text("SELECT count(*) FROM effect_note WHERE about = :about")
        return int(session.execute(query, {"about": str(about)}).scalar_one())


class Books:
    """A house with its accounts open, and short words for what tests do in it."""

    def __init__(self, database: Database, ledger: Ledger, way: Way = "submit") -> None:
        self.database = database
        self.ledger = ledger
        self.way = way

    @classmethod
    def opened(cls, database: Database, ledger: Ledger, way: Way = "submit") -> Books:
        """Return the books of a new house: assets defined, its own accounts open."""
        books = cls(database, ledger, way)

        def work(session: Session) -> None:
            ledger.define(session, [Asset("NOVA", 0, "points"), Asset(CURRENCY, 2, "cash")])
            ledger.open(session, house_accounts(CURRENCY, [PROVIDER]))

        database.run(work)
        return books

    @classmethod
    def of(cls, database: Database, way: Way, clock: Clock | None = None) -> Books:
        """Return the books of a house that is open already, with a ledger of their own."""
        return cls(database, Ledger(database, clock or SystemClock()), way)

    def open(self, *codes: str) -> None:
        """Open accounts as the chart of accounts has them."""
        specs = [account_of(code, CURRENCY) for code in codes]
        self.database.run(lambda session: self.ledger.open(session, specs))

    def driver(self) -> UUID:
        """Return a new driver whose account is open."""
        driver_id = new_id()
        self.open(driver_nova(driver_id))
        return driver_id

    def sponsor(self, deposit: int) -> UUID:
        """Return a new sponsor who has deposited so many minor units."""
        sponsor_id = new_id()
        self.open(sponsor_prepaid(sponsor_id))
        self.must(
            sponsor_deposit(
                checkout_id=f"ch-{sponsor_id}", sponsor_id=sponsor_id, provider=PROVIDER, gross=deposit
            )
        )
        return sponsor_id

    def campaign(self, budget: int, *, sponsor_id: UUID | None = None, fee_bps: int = 0) -> UUID:
        """Return a new campaign funded with `budget` gross, of its own sponsor unless one is named."""
        campaign_id = new_id()
        self.open(campaign_budget(campaign_id), campaign_fee(campaign_id))
        self.must(
            campaign_funding(
                funding_id=new_id(),
                sponsor_id=sponsor_id or self.sponsor(budget),
                campaign_id=campaign_id,
                gross=budget,
                fee_bps=fee_bps,
            )
        )
        return campaign_id

    def post(self, chain: Chain, effects: Sequence[Effect] = ()) -> Verdict:
        """Post one chain the way these books are kept, its effects with it."""
        if self.way == "submit":
            return self.ledger.submit(chain, effects)

        def work(session: Session) -> Verdict:
            verdict = self.ledger.post(session, chain)
            if verdict.status is Status.POSTED:
                for effect in effects:
                    type(effect).apply_batch(session, [(effect, verdict)])
            return verdict

        return self.database.run(work)

    def ask(self, chain: Chain, effects: Sequence[Effect] = ()) -> Reply:
        """Post one chain and return what the caller was told."""
        verdict = self.post(chain, effects)
        return Reply(verdict.status, verdict.transaction_id)

    def status(self, chain: Chain) -> Status:
        """Post one chain and return its status."""
        return self.post(chain).status

    def must(self, *chains: Chain) -> list[Verdict]:
        """Post chains that have to be accepted."""
        verdicts = [self.post(chain) for chain in chains]
        for chain, verdict in zip(chains, verdicts, strict=True):
            if verdict.status is not Status.POSTED:
                raise AssertionError(f"{chain.template} was answered {verdict.status} at {verdict.failed_at}")
        return verdicts

    def balance(self, code: str) -> AccountBalance:
        """Return what an account holds."""
        return self.ledger.balance(code)

    def posted(self, *codes: str) -> list[int]:
        """Return what accounts hold, holds left out."""
        return [self.ledger.balance(code).posted for code in codes]

    def totals(self, campaign_id: UUID) -> CampaignTotals:
        """Return where the money of a campaign is."""
        return self.database.read(lambda session: _totals(session, campaign_id))

    def findings(self) -> list[Finding]:
        """Return everything that is wrong with these books; nothing is what every test ends with."""
        return findings(self.database)


def findings(database: Database) -> list[Finding]:
    """Return what the audit and the proof of history find on one snapshot."""
    return database.read(lambda session: audit(session) + verify(session), patient=True)


_FLOWS = """
SELECT mine.kind, other.kind, sum(CASE WHEN t.credit = mine.id THEN t.amount ELSE -t.amount END)
FROM ledger_account mine
JOIN ledger_transfer t ON mine.id IN (t.debit, t.credit) AND t.kind IN ('direct', 'capture')
JOIN ledger_account other ON other.id IN (t.debit, t.credit) AND other.id <> mine.id
WHERE mine.code IN (:budget, :fee)
GROUP BY mine.kind, other.kind, CASE WHEN t.credit = mine.id THEN 1 ELSE -1 END
"""

_REST = """
SELECT sum(credits_posted - debits_posted - debits_pending), sum(debits_pending) FROM ledger_balance b
JOIN ledger_account a ON a.id = b.account_id WHERE a.code IN (:budget, :fee)
"""


def _totals(session: Session, campaign_id: UUID) -> CampaignTotals:
    names = {"budget": campaign_budget(campaign_id), "fee": campaign_fee(campaign_id)}
    sums = {"funded": 0, "granted": 0, "fees": 0, "refunded": 0}
    for mine, other, change in session.execute(text(_FLOWS), names):
        match mine, other:
            case _, "sponsor_prepaid":
                sums["funded" if change > 0 else "refunded"] += abs(int(change))
            case "campaign_budget", "nova_reserve":
                sums["granted"] -= int(change)
            case "campaign_fee", "platform_fees":
                sums["fees"] -= int(change)
            case strange:
                raise AssertionError(f"a campaign has nothing to do with {strange}")
    left, held = session.execute(text(_REST), names).one()
    return CampaignTotals(left=int(left), held=int(held), **sums)
