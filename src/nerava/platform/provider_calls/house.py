"""What the installation itself needs."""

from __future__ import annotations

from typing import Final

from nerava.platform.outbound import CallPolicy
from nerava.platform.provider_calls.row import ProviderCall

SECRETS_READ: Final = ProviderCall(
    CallPolicy("secrets read", connect_s=1, read_s=2, total_s=4, gives_way=False),
    "none",
    "-",
    once="by name",
    kept_elsewhere="15 min, 24 h when nobody answers; in memory only",
    note="30 s in all at the start; a missing one is a wrong configuration",
)
TELEMETRY_PUSH: Final = ProviderCall(
    CallPolicy(
        "telemetry push",
        connect_s=0.5,
        read_s=1,
        total_s=2,
        attempts=1,
        waits_when_told=False,
        gives_way=False,
    ),
    "none",
    "no personal data",
    note="what cannot be sent is dropped and counted",
)
