"""What happens at Stripe without a call of its API: payers, banks, and Stripe's own decisions."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from nerava.simulators.errors import NoSuchThing, NotPossible
from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.stripe import accounts, balance, checkout, disputes, payouts, refunds
from nerava.simulators.stripe.asked import Asked
from nerava.simulators.stripe.forms import parse_form
from nerava.simulators.stripe.payments import Means, finish_bank_debit
from nerava.simulators.stripe.routes import find_route
from nerava.simulators.stripe.state import Habits

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json


class StripeByHand(ByHand):
    """What a test holds of the simulated Stripe. Methods let one thing happen and return what it is about."""

    def __init__(self, stripe: StripeCore, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._stripe = stripe

    @property
    def key(self) -> str:
        """The platform's secret key; drawn anew by every reset."""
        return self._stripe.state.key

    @property
    def platform(self) -> str:
        """The account of the platform."""
        return self._stripe.state.platform

    def balances(self, account: str | None = None) -> Json:
        """Return `{currency: {"available", "pending"}}` of an account, of the platform by default."""
        with self.moment():
            found: Json = balance.all_balances(self._stripe)[account or self.platform]
            return found

    def objects(self, kind: str) -> list[Json]:
        """Return copies of all objects of a kind, such as `transfer`, oldest first."""
        with self.moment():
            return copy.deepcopy(list(self._stripe.state.tables.get(kind, {}).values()))

    def _find(self, kind: str, wanted: str) -> Json:
        found = self._stripe.state.find(kind, wanted)
        if found is None:
            raise NoSuchThing(f"there is no {kind} {wanted}")
        return found

    @lets_happen
    def deposit(self, amount: int, currency: str = "usd", account: str | None = None) -> Json:
        """Add money that is available at once, to the platform or to an account."""
        stripe, holder = self._stripe, account or self.platform
        topup: Json = {
            "id": stripe.new_id("tu"),
            "object": "topup",
            "amount": amount,
            "created": stripe.now_s(),
            "currency": currency,
            "livemode": False,
            "metadata": {},
            "status": "succeeded",
            "transfer_group": None,
        }
        stripe.state.put("topup", topup, holder)
        return balance.book(stripe, holder, balance.Entry("topup", amount, currency, topup["id"]))

    @lets_happen
    def pay_checkout(self, session: str, means: str = "card") -> Json:
        """Pay on the page of a checkout: `card`, `bank`, `declined`, `card_at_once`, `card_disputed`."""
        found = self._find("checkout.session", session)
        if found["status"] != "open":
            raise NotPossible(f"the checkout is {found['status']}")
        checkout.complete(self._stripe, found, Means(means))
        return found

    @lets_happen
    def expire_checkout(self, session: str) -> Json:
        """Let the time of a checkout session be over."""
        found = self._find("checkout.session", session)
        checkout.expire(self._stripe, found)
        return found

    @lets_happen
    def finish_bank_debit(self, intent: str, *, paid: bool = True) -> Json:
        """Let the bank say now whether it pays."""
        found = self._find("payment_intent", intent)
        if found["status"] != "processing":
            raise NotPossible(f"the payment is {found['status']}")
        self._stripe.state.fates[f"bank_debit:{intent}"] = [] if paid else ["fail"]
        checkout.bank_has_spoken(self._stripe, found, paid=finish_bank_debit(self._stripe, found))
        return found

    @lets_happen
    def add_account(self, currency: str = "usd", *, interval: str = "manual") -> Json:
        """Let somebody have a verified account, paid by itself `daily` or not (`manual`)."""
        account = accounts.new_account(self._stripe, {"default_currency": currency}, interval)
        account["capabilities"] = {"transfers": "inactive"}
        accounts.verify(self._stripe, account)
        return account

    @lets_happen
    def verify(self, account: str) -> Json:
        """Let somebody be verified; he may be paid."""
        found = self._find("account", account)
        accounts.verify(self._stripe, found)
        return found

    @lets_happen
    def want(self, account: str, due: list[str] | None = None) -> Json:
        """Want a document of somebody, or something else; he may not be paid until he is verified."""
        found = self._find("account", account)
        accounts.want(self._stripe, found, due or [accounts.DOCUMENT])
        return found

    @lets_happen
    def reject(self, account: str, reason: str = "rejected.fraud") -> Json:
        """Refuse somebody."""
        found = self._find("account", account)
        accounts.reject(self._stripe, found, reason)
        return found

    @lets_happen
    def deauthorise(self, account: str) -> Json:
        """Let somebody end the connection to the platform."""
        found = self._find("account", account)
        accounts.deauthorise(self._stripe, found)
        return found

    @lets_happen
    def change_bank(self, account: str, last4: str = "6789") -> Json:
        """Let somebody name another bank account; he may be paid again."""
        found = self._find("account", account)
        accounts.attach_bank(self._stripe, found, last4)
        accounts.verify(self._stripe, found)
        return found

    @lets_happen
    def pay_payout(self, payout: str) -> Json:
        """Let a payout arrive now."""
        found = self._find("payout", payout)
        self._stripe.state.fates.setdefault(f"payout:{payout}", []).insert(0, "pay")
        payouts.arrive(self._stripe, found)
        return found

    @lets_happen
    def fail_payout(self, payout: str, code: str = "account_closed") -> Json:
        """Let a payout fail now, also after it was paid."""
        found = self._find("payout", payout)
        payouts.fail(self._stripe, found, code)
        return found

    @lets_happen
    def finish_refund(self, refund: str) -> Json:
        """Let a refund that waits succeed."""
        found = self._find("refund", refund)
        refunds.finish(self._stripe, found)
        return found

    @lets_happen
    def fail_refund(self, refund: str, reason: str = "lost_or_stolen_card") -> Json:
        """Let a refund fail, also after it succeeded."""
        found = self._find("refund", refund)
        refunds.fail(self._stripe, found, reason)
        return found

    @lets_happen
    def open_dispute(
        self, payment: str, amount: int | None = None, reason: str = "fraudulent", *, inquiry: bool = False
    ) -> Json:
        """Let a payer dispute a charge, or the charge of a payment intent; an inquiry takes no money yet."""
        state = self._stripe.state
        intent = state.find("payment_intent", payment)
        charge = self._find("charge", (intent or {}).get("latest_charge") or payment)
        if charge["status"] != "succeeded" or charge["disputed"]:
            raise NotPossible(f"the charge is {charge['status']}, or disputed already")
        return disputes.open_dispute(self._stripe, charge, amount, reason, inquiry=inquiry)

    @lets_happen
    def escalate_dispute(self, dispute: str) -> Json:
        """Let an inquiry become a chargeback, which takes the money."""
        found = self._open_dispute(dispute)
        if not found["status"].startswith("warning_"):
            raise NotPossible("it is no inquiry")
        return disputes.escalate(self._stripe, found)

    @lets_happen
    def close_dispute(self, dispute: str, *, won: bool) -> Json:
        """End a dispute: won, lost, or an inquiry that comes to nothing."""
        return disputes.close_dispute(self._stripe, self._open_dispute(dispute), won=won)

    @lets_happen
    def reinstate_dispute(self, dispute: str) -> Json:
        """Give the money of a lost dispute back, once."""
        found = self._find("dispute", dispute)
        if found["status"] != "lost" or sum(one["amount"] for one in found["balance_transactions"]) >= 0:
            raise NotPossible("it was not lost, or its money is back")
        return disputes.reinstate(self._stripe, found)

    def _open_dispute(self, dispute: str) -> Json:
        found = self._find("dispute", dispute)
        if disputes.is_over(found):
            raise NotPossible(f"the dispute is {found['status']} already")
        return found

    @lets_happen
    def at_the_dashboard(self, path: str, form: dict[str, str], account: str | None = None) -> Json:
        """Do what a call would do, as somebody at Stripe's dashboard: our product knows nothing of it.

        `path` and `form` are those of a POST, `/v1/transfers` and `{"amount": "5", …}`.
        """
        found, ids = find_route("POST", path)
        params = parse_form(urlencode(form))
        asked = Asked(params, account or self.platform, "", self._stripe.new_id("req", 14), None, ids)
        return found.handler(self._stripe, asked)

    @lets_happen
    def lose(self, wanted: str) -> Json:
        """Let an object, and what it did to balances, never have been; to see that this is noticed."""
        found = self._somewhere(wanted)
        tables = self._stripe.state.tables
        for table in tables.values():
            table.pop(wanted, None)
        lines = tables.get("balance_transaction", {})
        others = {wanted, found.get("destination_payment")}
        for line in [one for one in lines.values() if one["source"] in others]:
            del lines[line["id"]]
        return found

    @lets_happen
    def alter(self, wanted: str, fields: Json) -> Json:
        """Let fields of an object say something else; to see that this is noticed."""
        found = self._somewhere(wanted)
        found.update(fields)
        return found

    def _somewhere(self, wanted: str) -> Json:
        found = self._stripe.state.anywhere(wanted)
        if found is None:
            raise NoSuchThing(f"there is nothing with the id {wanted}")
        return found

    @lets_happen
    def decide(self, what: str, fate: str, about: str | None = None) -> Json:
        """Decide what becomes of the next payout, refund or payment by bank, of all or `about` one.

        A `payout` (about its account) may pay, fail or fail_after_paid; a reason: `fail:no_account`.
        A `refund` (about its payment) may succeed, pend, fail, fail_after_succeeded or require_action.
        A `bank_debit` (about its payment) may pay or fail. Decisions are used up in order.
        """
        allowed = {"payout": payouts.FATES, "refund": refunds.FATES, "bank_debit": ("pay", "fail")}
        if fate.partition(":")[0] not in allowed.get(what, ()):
            raise NotPossible(f"nothing called {what} has the fate {fate}")
        subject = what if about is None else f"{what}:{about}"
        self._stripe.state.fates.setdefault(subject, []).append(fate)
        return {"decided": subject, "fate": fate}

    @lets_happen
    def behave(self, /, **habits: Any) -> Json:  # noqa: ANN401 - whole numbers, truths, None
        """Change how long things take and what they cost; see `Habits`."""
        known = {one.name for one in fields(Habits)}
        if not known.issuperset(habits):
            raise NotPossible(f"habits are {', '.join(sorted(known))}")
        self._stripe.state.habits = replace(self._stripe.state.habits, **habits)
        return {name: getattr(self._stripe.state.habits, name) for name in sorted(known)}
