"""What tells us that somebody charged: vehicles and operators."""

from __future__ import annotations

from typing import Final

from nerava.platform.cache import Region
from nerava.platform.outbound import CallPolicy
from nerava.platform.outbound.policy import JOB_BACKOFF_MAX_S
from nerava.platform.provider_calls.row import DAY, DENIED, HOUR, MINUTE, ProviderCall, refusals

SMARTCAR_TOKEN: Final = ProviderCall(
    CallPolicy("smartcar token", connect_s=1, read_s=5, total_s=6, waits_when_told=False),
    "app",
    "secret store",
    Region(
        "smartcar-token",
        "smartcar",
        "secret",
        fresh=HOUR,
        refusals=DENIED,
        is_shared=False,
    ),
    once="by process",
    note="kept until five minutes before it ends",
)
SMARTCAR_GRANT: Final = ProviderCall(
    CallPolicy(
        "smartcar person token",
        connect_s=1,
        read_s=5,
        total_s=6,
        attempts=1,
        is_repeatable=False,
        waits_when_told=False,
    ),
    "app",
    "secret store",
    once="database lock per account",
    note="v2 code and refresh",
)
SMARTCAR_SIGNALS: Final = ProviderCall(
    CallPolicy("smartcar signals", connect_s=1, read_s=10, total_s=12, backoff_max_s=JOB_BACKOFF_MAX_S),
    "app; per vehicle",
    "the driver's data under consent",
    Region(
        "smartcar-signals",
        "smartcar",
        "consent",
        fresh=5 * MINUTE,
        on_error=24 * HOUR,
        refusals=refusals(not_implemented=30 * DAY),
        is_shared=False,
    ),
    once="by vehicle",
    note="jobs only; a 429 of a vehicle is never waited for, 502 RATE_LIMIT and 501 are not tried again; 403 "
    "until reconnected; old values are for display",
)
SMARTCAR_DISCONNECT: Final = ProviderCall(
    CallPolicy("smartcar disconnect", connect_s=1, read_s=10, total_s=12, backoff_max_s=JOB_BACKOFF_MAX_S),
    "app",
    "-",
    once="by connection",
    note="jobs only",
)
SMARTCAR_SUBSCRIPTIONS: Final = ProviderCall(
    CallPolicy("smartcar subscriptions", connect_s=1, read_s=10, total_s=12, backoff_max_s=JOB_BACKOFF_MAX_S),
    "app",
    "-",
    once="by car",
    kept_elsewhere="at Smartcar; compared every hour",
    note="jobs only",
)
OCPI_READ: Final = ProviderCall(
    CallPolicy("ocpi read", connect_s=2, read_s=15, total_s=20),
    "per peer",
    "contract with the peer; `publish` flag",
    once="job lease per peer and module",
    kept_elsewhere="tables",
)
OCPI_WRITE: Final = ProviderCall(
    CallPolicy(
        "ocpi write",
        connect_s=2,
        read_s=15,
        total_s=20,
        attempts=1,
        is_repeatable=False,
        waits_when_told=False,
    ),
    "per peer",
    "-",
    once="per token; per peer",
    note="PUT and PATCH of tokens, POST of credentials",
)
