"""`PayoutProvider` over Stripe Connect: a transfer to the recipient's account, then a payout to the bank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.stripe.reading import OtherForm, in_path, inner, name_of, read_as, text, whole
from nerava.kernel.outcomes import Ok, Outcome, Unknown
from nerava.payouts.ports import BankPayout, BankState, Movement, Recipient, Sent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from nerava.integrations.stripe.api import StripeApi

_KINDS: Final = {
    "charge": "charge",
    "payment": "charge",
    "transfer": "transfer",
    "transfer_refund": "transfer_reversal",
    "transfer_cancel": "transfer_reversal",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "payment_failure_refund": "refund_failure",
    "adjustment": "dispute",
    "stripe_fee": "fee",
    "payout": "own_payout",
}


class StripePayouts:
    """Pays people. Safe to share between threads."""

    name: Final = "stripe"

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    def make_recipient(self, reference: UUID, *, currency: str, key: str) -> Outcome[Recipient]:
        """Make a connected account that may only receive, and is paid out to the bank by us alone."""
        form = {
            "type": "express",
            "default_currency": currency.lower(),
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
            "metadata": {"reference": str(reference)},
        }
        return read_as(self._api.post("/v1/accounts", form, key=key), _recipient)

    def onboarding_url(self, account: str, *, return_url: str, key: str) -> Outcome[str]:
        """Return Stripe's own page for the recipient; the key must be another one for every new page."""
        form = {
            "account": account,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": return_url,
        }
        return read_as(self._api.post("/v1/account_links", form, key=key), lambda row: text(row, "url"))

    def recipient(self, account: str) -> Outcome[Recipient]:
        """Read a connected account."""
        return read_as(self._api.get(f"/v1/accounts/{in_path(account)}"), _recipient)

    def available(self, currency: str) -> Outcome[int]:
        """Return what is available, not what is pending."""

        def read(row: Mapping[str, Any]) -> int:
            parts = row.get("available")
            if not isinstance(parts, list):
                raise OtherForm("available")
            return sum(whole(one, "amount") for one in parts if one.get("currency") == currency.lower())

        return read_as(self._api.get("/v1/balance"), read)

    def send(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[Sent]:
        """Make a transfer; there is no pending one: with an answer it is done."""
        form = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "destination": account,
            "transfer_group": str(payout_id),
            "metadata": {"payout": str(payout_id)},
        }
        sent = read_as(self._api.post("/v1/transfers", form, key=key), _sent)
        if isinstance(sent, Ok):
            value = sent.value
            if (value.account, value.amount_minor, value.currency) != (account, amount_minor, currency):
                return Unknown("answer-differs")
        return sent

    def sent_for(self, payout_id: UUID) -> Outcome[list[Sent]]:
        """Read the transfers of a group."""
        found = self._api.every("/v1/transfers", [("transfer_group", str(payout_id))])
        return read_as(found, lambda rows: [_sent(row) for row in rows])

    def pay_out(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[BankPayout]:
        """Make a payout from the connected account to its bank."""
        form = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "metadata": {"payout": str(payout_id)},
        }
        made = read_as(
            self._api.post("/v1/payouts", form, key=key, account=account),
            lambda row: _bank_payout(row, account),
        )
        if isinstance(made, Ok) and (made.value.amount_minor, made.value.currency) != (
            amount_minor,
            currency,
        ):
            return Unknown("answer-differs")
        return made

    def bank_payouts_for(self, payout_id: UUID, *, account: str) -> Outcome[list[BankPayout]]:
        """Read the payouts of a connected account that carry our id."""

        def read(rows: list[dict[str, Any]]) -> list[BankPayout]:
            ours = [row for row in rows if inner(row, "metadata").get("payout") == str(payout_id)]
            return [_bank_payout(row, account) for row in ours]

        return read_as(self._api.every("/v1/payouts", account=account), read)

    def take_back(self, transfer: str, *, amount_minor: int, key: str) -> Outcome[Sent]:
        """Reverse a transfer in full or in part, and return the transfer as it stands then."""
        path = f"/v1/transfers/{in_path(transfer)}"
        reversed_ = self._api.post(f"{path}/reversals", {"amount": amount_minor}, key=key)
        if not isinstance(reversed_, Ok):
            return reversed_
        return read_as(self._api.get(path), _sent)

    def movements(self, *, since_s: int, until_s: int) -> Outcome[list[Movement]]:
        """Read the balance transactions of a span, each with what it belongs to."""
        query = [("created[gte]", str(since_s)), ("created[lt]", str(until_s)), ("expand[]", "data.source")]
        found = self._api.every("/v1/balance_transactions", query)
        return read_as(found, lambda rows: [_movement(row) for row in rows])


def _recipient(row: Mapping[str, Any]) -> Recipient:
    wanted = inner(row, "requirements").get("currently_due") or []
    banks = inner(row, "external_accounts").get("data") or []
    active = inner(row, "capabilities").get("transfers") == "active"
    return Recipient(
        account=text(row, "id"),
        may_be_paid=active and row.get("payouts_enabled") is True and not wanted,
        wanted=tuple(map(str, wanted)),
        last4=next((str(bank["last4"]) for bank in banks if bank.get("last4")), None),
    )


def _sent(row: Mapping[str, Any]) -> Sent:
    return Sent(
        transfer=text(row, "id"),
        account=name_of(row, "destination") or "",
        amount_minor=whole(row, "amount"),
        currency=text(row, "currency").upper(),
        reversed_minor=whole(row, "amount_reversed"),
    )


def _bank_payout(row: Mapping[str, Any], account: str) -> BankPayout:
    try:
        state = BankState(text(row, "status"))
    except ValueError:
        raise OtherForm("status") from None
    failure = row.get("failure_code")
    return BankPayout(
        payout=text(row, "id"),
        account=account,
        amount_minor=whole(row, "amount"),
        currency=text(row, "currency").upper(),
        state=state,
        failure=failure if isinstance(failure, str) else None,
    )


def _movement(row: Mapping[str, Any]) -> Movement:
    source = row.get("source")
    held = source if isinstance(source, dict) else {}
    group = held.get("transfer_group") or inner(held, "metadata").get("reference")
    # A reversal is about the transfer that it takes back.
    about = held if held.get("object") == "transfer_reversal" else row
    return Movement(
        id=text(row, "id"),
        kind=_KINDS.get(text(row, "type"), text(row, "type")),
        source=name_of(about, "source" if about is row else "transfer") or "",
        group=group if isinstance(group, str) else None,
        amount_minor=whole(row, "amount"),
        fee_minor=whole(row, "fee"),
        currency=text(row, "currency").upper(),
        created_s=whole(row, "created"),
        payment=name_of(held, "payment_intent"),
    )
