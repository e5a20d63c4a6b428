"""Payments and registers."""

from __future__ import annotations

from typing import Final

from nerava.platform.outbound import CallPolicy
from nerava.platform.provider_calls.row import ProviderCall

STRIPE_WRITE: Final = ProviderCall(
    CallPolicy("stripe write", connect_s=1, read_s=8, total_s=10, gives_way=False),
    "none: queue",
    "ids and states only",
    once="by key",
    note="the same key each time; `Stripe-Should-Retry` decides",
)
STRIPE_READ: Final = ProviderCall(
    CallPolicy("stripe read", connect_s=1, read_s=8, total_s=10, gives_way=False),
    "none: queue",
    "ids and states only",
    once="by id",
    note="`Stripe-Should-Retry` decides",
)
SQUARE_READ: Final = ProviderCall(
    CallPolicy("square read", connect_s=1, read_s=5, total_s=6),
    "per seller",
    "the seller's data under OAuth",
    once="by order",
    kept_elsewhere="table `till_order`",
    note="jobs only; what is not there yet is asked for again for a minute and never kept as missing",
)
SQUARE_WRITE: Final = ProviderCall(
    CallPolicy("square write", connect_s=1, read_s=5, total_s=6),
    "per seller",
    "-",
    once="by key",
    note="the same `idempotency_key` each time",
)
SQUARE_GRANT: Final = ProviderCall(
    CallPolicy(
        "square code",
        connect_s=1,
        read_s=5,
        total_s=6,
        attempts=1,
        is_repeatable=False,
        waits_when_told=False,
    ),
    "app",
    "secret store",
    once="by code",
    note="a code is sent once, whatever becomes of it",
)
