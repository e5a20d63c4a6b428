"""One connection to Stripe, put together from plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.integrations.stripe.api import BASE_URL, StripeApi
from nerava.integrations.stripe.events import StripeEvents
from nerava.integrations.stripe.payments import StripePayments
from nerava.integrations.stripe.payouts import StripePayouts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nerava.platform.live_secrets import Given, LiveSecret
    from nerava.platform.outbound import Surroundings


@dataclass(frozen=True, slots=True)
class StripeAccess:
    """What Stripe gave us.

    Attributes:
        key: The secret key; never in a log, since `repr` leaves it out.
        secrets: Of the webhook endpoint for our own account.
        connect_secrets: Of the webhook endpoint for connected accounts.
        base_url: Where the API is; None means Stripe's own address.
        is_live: The key moves real money.
    """

    key: Given
    secrets: Sequence[str] | LiveSecret = ()
    connect_secrets: Sequence[str] | LiveSecret = ()
    base_url: str | None = None
    is_live: bool = False

    def __repr__(self) -> str:
        """Return a text without the secrets."""
        return f"StripeAccess(base_url={self.base_url!r}, is_live={self.is_live})"


class Stripe:
    """Stripe, as the ports of the product see it."""

    def __init__(
        self, access: StripeAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        """Prepare the connection; nothing is sent before the first call."""
        self._api = StripeApi(
            access.key,
            base_url=access.base_url or BASE_URL,
            is_live=access.is_live,
            now=now,
            surroundings=surroundings,
        )
        self.payments = StripePayments(self._api)
        self.payouts = StripePayouts(self._api)
        self.events = StripeEvents(access.secrets, access.connect_secrets, is_live=access.is_live)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
