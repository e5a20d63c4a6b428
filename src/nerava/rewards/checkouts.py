"""A sponsor pays: a page at a provider, and spendable money once the provider says that it has come.

Nothing is called inside a transaction. A row says what is to be done next, a worker leases it,
asks the provider, and writes the answer under the condition that the row is still its own. Being
killed anywhere, told twice, or told in the wrong order therefore changes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome, Refused
from nerava.ledger.chart import external_account
from nerava.platform import tracing
from nerava.rewards import checkout_store as store
from nerava.rewards.campaigns import CampaignState, deposit, fund_campaign
from nerava.rewards.checkout_store import CheckoutState, SponsorCheckout
from nerava.rewards.disputes import meet_payment, take_turn
from nerava.rewards.errors import (
    PaymentsOff,
    UnknownCampaign,
    UnknownCheckout,
    UnknownSponsor,
    WrongCampaignState,
)
from nerava.rewards.model import Campaign, Sponsor
from nerava.rewards.pace import again, next_look
from nerava.rewards.ports import PaymentState
from nerava.rewards.sponsor_stops import refuse_if_stopped, stopped_since

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database
    from nerava.rewards.ports import Checkout, PaymentProvider

log = logging.getLogger(__name__)

AT_ONCE: Final = 10
KEY_LIVES: Final = timedelta(hours=23)
"""A provider knows a key for a day; later the same key could make a second page."""

SAME_KEY_TIMES: Final = 4
"""A provider may answer a key with the same error for ever. A page that nobody was shown costs nothing."""

GIVEN_UP_AFTER: Final = timedelta(days=14)
"""A page is good for a day and a bank debit takes a week; whatever is open later, a person looks into."""

_C: Final[Any] = SponsorCheckout


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment that a sponsor wants to make, in minor units; into a campaign, if one is named."""

    sponsor_id: UUID
    gross: int
    campaign_id: UUID | None = None


def ask(session: Session, provider: PaymentProvider | None, asked: Asked, now: datetime) -> UUID:
    """Write down a payment and return its id; the page is made a moment later.

    The share of the fee is fixed here. What a provider sends back as metadata is never read for it.

    Raises:
        PaymentsOff: No provider takes payments here (503).
        UnknownSponsor: No sponsor has this id (404).
        UnknownCampaign: The campaign is not the sponsor's (404).
        WrongCampaignState: The campaign has ended (409).
        SponsorStopped: It is for a campaign, and a payment of the sponsor is disputed (409).
    """
    if provider is None:
        raise PaymentsOff
    currency = session.scalar(select(Sponsor.currency).where(Sponsor.id == asked.sponsor_id))
    if currency is None:
        raise UnknownSponsor(f"no sponsor {asked.sponsor_id}")
    fee_bps = None
    if asked.campaign_id is not None:
        fee_bps = _fee_bps(session, asked.sponsor_id, asked.campaign_id)
        refuse_if_stopped(session, asked.sponsor_id)
    checkout_id = new_id()
    session.add(
        SponsorCheckout(
            id=checkout_id,
            sponsor_id=asked.sponsor_id,
            campaign_id=asked.campaign_id,
            gross=asked.gross,
            fee_bps=fee_bps,
            currency=currency,
            provider=provider.name,
            state=CheckoutState.ASKED.value,
            attempts=0,
            due_at=now,
            created_at=now,
        )
    )
    session.flush()
    return checkout_id


def _fee_bps(session: Session, sponsor_id: UUID, campaign_id: UUID) -> int:
    found = session.execute(
        select(Campaign.fee_bps, Campaign.state).where(
            Campaign.id == campaign_id, Campaign.sponsor_id == sponsor_id
        )
    ).one_or_none()
    if found is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    if found.state == CampaignState.ENDED:
        raise WrongCampaignState("a campaign that has ended takes no more money", state=found.state)
    fee_bps: int = found.fee_bps
    return fee_bps


def checkout_view(session: Session, sponsor_id: UUID, checkout_id: UUID) -> SponsorCheckout:
    """Return a payment of this sponsor.

    Raises:
        UnknownCheckout: There is none of this sponsor with this id (404).
    """
    query = select(SponsorCheckout).where(_C.id == checkout_id, _C.sponsor_id == sponsor_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownCheckout(f"no payment {checkout_id}")
    return found


def checkouts_of(
    session: Session, sponsor_id: UUID, *, after: UUID | None, limit: int
) -> list[SponsorCheckout]:
    """Return the payments of a sponsor, the newest first, those older than `after`."""
    query = select(SponsorCheckout).where(_C.sponsor_id == sponsor_id)
    if after is not None:
        query = query.where(_C.id < after)
    return list(session.scalars(query.order_by(_C.id.desc()).limit(limit)))


class CheckoutWork:
    """Drives payments: makes the page, and asks until the money is there or will not come.

    Args:
        return_url: The page of ours that the payer comes back to.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        providers: Mapping[str, PaymentProvider],
        *,
        return_url: str,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._providers = dict(providers)
        self._return_url = return_url

    def run(self, now: datetime) -> int:
        """Take one step with each of at most 10 payments that are due, and return how many."""
        rows = self._database.run(lambda session: self._lease(session, now))
        for row in rows:
            with tracing.resumed(row.traceparent, "sponsor payment step"):
                self._step(row, now)
        return len(rows)

    def _lease(self, session: Session, now: datetime) -> list[SponsorCheckout]:
        rows = store.lease(session, SponsorCheckout, now, AT_ONCE)
        session.flush()
        for row in rows:
            session.expunge(row)
        return rows

    def _step(self, row: SponsorCheckout, now: datetime) -> None:
        provider = self._providers.get(row.provider)
        if provider is None:
            self._wait(row, now, "provider-off")
            return
        if row.checkout is None:
            self._open(row, provider, now)
        else:
            self._look(row, provider.checkout(row.checkout), now)

    def _open(self, row: SponsorCheckout, provider: PaymentProvider, now: datetime) -> None:
        sent_at = row.first_sent_at or now
        if now - sent_at > KEY_LIVES:
            # Nobody ever saw the page, if there is one, so nobody can have paid by it.
            self._end(row, CheckoutState.EXPIRED, now, "never-opened")
            return
        made = provider.open_checkout(
            row.id,
            amount_minor=row.gross,
            currency=row.currency,
            return_url=self._return_url,
            key=f"checkout:{row.id}:{1 + (row.attempts - 1) // SAME_KEY_TIMES}",
        )
        if isinstance(made, Refused):
            self._end(row, CheckoutState.FAILED, now, made.code)
        elif isinstance(made, Ok) and self._is_ours(row, made.value):
            shown = {
                "state": CheckoutState.OPEN.value,
                "checkout": made.value.checkout,
                "url": made.value.url,
                "due_at": next_look(now, now),
                "trouble": None,
            }
            self._write(row, shown)
        else:
            self._wait(row, now, _trouble(made))

    def _look(self, row: SponsorCheckout, seen: Outcome[Checkout], now: datetime) -> None:
        if not isinstance(seen, Ok):
            self._wait(row, now, _trouble(seen))
            return
        if not self._is_ours(row, seen.value):
            log.error("payment %s is not what was asked for; nothing is booked", row.id)
            self._wait(row, now, "differs")
            return
        match seen.value.state:
            case PaymentState.PAID if seen.value.payment is not None:
                self._book(row, seen.value, seen.value.payment, now)
            case PaymentState.FAILED:
                self._end(row, CheckoutState.FAILED, now, "payment-failed")
            case PaymentState.EXPIRED:
                self._end(row, CheckoutState.EXPIRED, now, None)
            case PaymentState.PROCESSING:
                self._wait(row, now, None, CheckoutState.PROCESSING)
            case _:
                self._wait(row, now, None)

    def _book(self, row: SponsorCheckout, seen: Checkout, payment: str, now: datetime) -> None:
        def work(session: Session) -> None:
            paid = {
                "state": CheckoutState.PAID.value,
                "payment": payment,
                "url": None,
                "due_at": None,
                "ended_at": now,
                "trouble": None,
            }
            take_turn(session, row.provider, payment)
            if not store.move(session, row, paid, leased_until=row.leased_until):
                return
            meet_payment(session, row, payment, now)
            self._ledger.open(session, [external_account(row.provider, row.currency)])
            deposit(
                session,
                self._ledger,
                row.sponsor_id,
                gross=row.gross,
                provider=row.provider,
                checkout_id=seen.checkout,
                processor_cost=seen.fee_minor,
            )
            if row.campaign_id is not None and _takes_money(session, row):
                fund_campaign(
                    session, self._ledger, row.campaign_id, gross=row.gross, funding_id=row.id, now=now
                )

        self._database.run(work)

    def _is_ours(self, row: SponsorCheckout, seen: Checkout) -> bool:
        return (seen.reference, seen.amount_minor, seen.currency) == (row.id, row.gross, row.currency)

    def _wait(
        self, row: SponsorCheckout, now: datetime, trouble: str | None, state: CheckoutState | None = None
    ) -> None:
        values: dict[str, Any] = {"trouble": trouble}
        if trouble is None or row.checkout is not None:
            values["due_at"] = next_look(row.created_at, now)
        else:
            values["due_at"] = again(row.attempts, now)
        if state is not None:
            values["state"] = state.value
        if now - row.created_at > GIVEN_UP_AFTER:
            log.error("payment %s has been open for two weeks", row.id)
        self._write(row, values)

    def _end(self, row: SponsorCheckout, state: CheckoutState, now: datetime, trouble: str | None) -> None:
        ended = {"state": state.value, "url": None, "due_at": None, "ended_at": now, "trouble": trouble}
        self._write(row, ended)

    def _write(self, row: SponsorCheckout, values: dict[str, Any]) -> None:
        def work(session: Session) -> bool:
            return store.move(session, row, values, leased_until=row.leased_until)

        self._database.run(work, repeatable=True)


def _takes_money(session: Session, row: SponsorCheckout) -> bool:
    """Return whether the campaign of a payment can be funded now; if not, the money stays deposited."""
    # Locked, so that it does not end between this look and the posting.
    query = select(Campaign.state).where(Campaign.id == row.campaign_id).with_for_update(key_share=True)
    has_ended = session.scalar(query) == CampaignState.ENDED
    return not has_ended and stopped_since(session, row.sponsor_id) is None


def _trouble(outcome: Outcome[Any]) -> str:
    return "differs" if isinstance(outcome, Ok) else f"{type(outcome).__name__.lower()}: {outcome.code}"[:120]


def hint_of_checkout(database: Database) -> Callable[[str, datetime], bool]:
    """Return what makes the payment of a checkout due now; it answers whether there is such a payment."""

    def hint(checkout: str, now: datetime) -> bool:
        def work(session: Session) -> bool:
            found = session.execute(select(_C.id, _C.due_at).where(_C.checkout == checkout)).one_or_none()
            if found is None:
                return False
            store.hasten(session, SponsorCheckout, [found.id], now)
            return True

        return database.run(work, repeatable=True)

    return hint
