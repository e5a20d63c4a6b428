"""How often anything may be tried: every number of the product, in one table.

A number is the hardest there is: the settings may make it smaller and never larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nerava.platform.client_address import Client

RING_MAX: Final = 64
"""Up to this quota a row remembers every hit, so the window slides exactly; above, it is a leaky bucket."""

HALF_MINUTE: Final = timedelta(seconds=30)
MINUTE: Final = timedelta(minutes=1)
TEN_MINUTES: Final = timedelta(minutes=10)
QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(hours=24)


class Per(StrEnum):
    """Whose hits are counted together."""

    TARGET = "target"
    """A phone number, an address, a register: what the action is aimed at."""

    IDENTITY = "identity"
    """An account, a token family, a key, a merchant."""

    ADDRESS = "address"
    """An IPv4 address, or an IPv6 /64."""

    BLOCK = "block"
    """An IPv4 /24, or an IPv6 /48."""

    PREFIX = "prefix"
    """The country and the first six digits of a phone number."""

    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` hits within any `window`, counted per key.

    Attributes:
        id: Stable; stands in the rows, in headers and in settings.
        penalty: When the quota is spent, nothing is accepted for so long after the last hit.
        neutral: Who runs into it is answered as if nothing had happened, so that abuse learns nothing.
    """

    id: str
    quota: int
    window: timedelta
    per: Per
    penalty: timedelta | None = None
    neutral: bool = False


class LimitSet:
    """All limits of one action."""

    def __init__(
        self,
        name: str,
        *quotas: tuple[Per, int, timedelta],
        penalty: timedelta | None = None,
        neutral: Sequence[Per] = (),
    ) -> None:
        """Name the limits after the action: `sms-start-target-10m`.

        Args:
            name: The action.
            quotas: Whose hits are counted, how many may be, in what window.
            penalty: For the limits of the narrowest dimension, which is the first.
            neutral: The dimensions that refuse without saying so.
        """
        self.name = name
        self.limits = tuple(
            Limit(
                id=f"{name}-{per.value}-{_short(window)}",
                quota=quota,
                window=window,
                per=per,
                penalty=penalty if per is quotas[0][0] else None,
                neutral=per in neutral,
            )
            for per, quota, window in quotas
        )

    def keyed(
        self,
        *,
        target: str | None = None,
        identity: str | None = None,
        client: Client | None = None,
        prefix: str | None = None,
    ) -> list[tuple[Limit, str]]:
        """Return each limit with the key it counts under, for `Limits.hit`.

        Every dimension that has a limit must be given; one that has none may be given, too. For
        an account that is not known give what it would be known by.
        """
        keys = {
            Per.TARGET: target,
            Per.IDENTITY: identity,
            Per.ADDRESS: client.address if client else None,
            Per.BLOCK: client.block if client else None,
            Per.PREFIX: prefix,
            Per.EVERYBODY: Per.EVERYBODY.value,
        }
        found = []
        for limit in self.limits:
            key = keys[limit.per]
            if key is None:
                raise AssertionError(f"{self.name} is limited per {limit.per.value}; say which")
            found.append((limit, key))
        return found


def _short(window: timedelta) -> str:
    seconds = int(window.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


SMS_START: Final = LimitSet(
    "sms-start",
    (Per.TARGET, 1, HALF_MINUTE), (Per.TARGET, 3, TEN_MINUTES), (Per.TARGET, 10, DAY),
    (Per.IDENTITY, 10, DAY),
    (Per.ADDRESS, 10, TEN_MINUTES), (Per.ADDRESS, 50, DAY),
    (Per.BLOCK, 100, HOUR),
    (Per.PREFIX, 20, HOUR),
    (Per.EVERYBODY, 60, MINUTE),
    neutral=(Per.PREFIX,),
)  # fmt: skip
"""A code is sent by SMS. Countries and the cost of a day are capped where messages are sent."""

EMAIL_START: Final = LimitSet(
    "email-start",
    (Per.TARGET, 1, HALF_MINUTE), (Per.TARGET, 3, TEN_MINUTES), (Per.TARGET, 10, DAY),
    (Per.IDENTITY, 10, DAY),
    (Per.ADDRESS, 10, TEN_MINUTES),
    (Per.BLOCK, 100, HOUR),
    (Per.EVERYBODY, 300, MINUTE),
)  # fmt: skip
"""A code or a link is sent by e-mail."""

CODE_VERIFY: Final = LimitSet(
    "code-verify",
    (Per.IDENTITY, 15, HOUR), (Per.IDENTITY, 50, DAY),
    (Per.ADDRESS, 30, TEN_MINUTES),
    (Per.BLOCK, 300, HOUR),
)  # fmt: skip
"""A code is tried. The five guesses of one challenge are counted in its own row."""

CODE_WRONG: Final = LimitSet("code-wrong", (Per.EVERYBODY, 200, HOUR))
"""A code was wrong; when this is spent, strangers must prove more than a code."""

LINK_CONSUME: Final = LimitSet(
    "link-consume", (Per.IDENTITY, 10, HOUR), (Per.ADDRESS, 10, MINUTE), (Per.BLOCK, 100, HOUR)
)
"""A magic link is used. The three tries of its pair code are counted in its own row."""

REFRESH: Final = LimitSet("refresh", (Per.IDENTITY, 30, HOUR), (Per.ADDRESS, 120, HOUR))
"""A refresh token is exchanged; the identity is its family."""

FACTOR_VERIFY: Final = LimitSet("factor-verify", (Per.IDENTITY, 5, QUARTER), (Per.ADDRESS, 20, QUARTER))
"""A passkey or a TOTP code is tried."""

API_KEY_FAILURE: Final = LimitSet(
    "api-key-failure", (Per.ADDRESS, 20, MINUTE), (Per.BLOCK, 200, MINUTE), penalty=TEN_MINUTES
)
"""An API key was not accepted."""

CODE_ISSUE: Final = LimitSet("code-issue", (Per.IDENTITY, 10, HOUR), (Per.ADDRESS, 60, HOUR))
"""A driver asks for a redemption code."""

CAPTURE_WRONG: Final = LimitSet(
    "capture-wrong",
    (Per.TARGET, 5, QUARTER), (Per.IDENTITY, 20, HOUR), (Per.ADDRESS, 60, HOUR),
    penalty=QUARTER,
)  # fmt: skip
"""A register tried a wrong redemption code; the target is the register, the identity its merchant."""

REDEEM: Final = LimitSet("redeem", (Per.IDENTITY, 20, MINUTE), (Per.ADDRESS, 60, MINUTE))
"""Anything about redeeming."""

PAYOUT: Final = LimitSet("payout", (Per.IDENTITY, 3, DAY), (Per.ADDRESS, 10, HOUR))
"""A payout is asked for. Amounts are limited where money is."""

SIGN_UP: Final = LimitSet(
    "sign-up",
    (Per.ADDRESS, 5, HOUR), (Per.ADDRESS, 20, DAY), (Per.BLOCK, 60, DAY), (Per.EVERYBODY, 1_000, HOUR),
)  # fmt: skip
"""A new account is made."""

INVITE: Final = LimitSet("invite", (Per.TARGET, 3, DAY), (Per.IDENTITY, 20, DAY), (Per.EVERYBODY, 60, MINUTE))
"""Somebody is invited; the target is whom the message goes to, the identity who invites."""

MANUAL_CREDIT: Final = LimitSet("manual-credit", (Per.IDENTITY, 10, DAY))
"""Somebody of ops prepares a credit. Amounts are limited where money is."""

EXPORT: Final = LimitSet("export", (Per.IDENTITY, 1, DAY), (Per.ADDRESS, 5, DAY))
ERASE: Final = LimitSet("erase", (Per.IDENTITY, 1, DAY), (Per.ADDRESS, 5, DAY))

API: Final = LimitSet(
    "api", (Per.IDENTITY, 120, MINUTE), (Per.ADDRESS, 300, MINUTE), (Per.BLOCK, 3_000, MINUTE)
)
"""Any request at all."""

PARTNER_WRITE: Final = LimitSet("partner-write", (Per.IDENTITY, 600, MINUTE))
"""A partner writes; counts instead of `API` per identity."""

OCPI: Final = LimitSet("ocpi", (Per.IDENTITY, 3_750, MINUTE))
"""A roaming peer calls, 62.5 times a second on the whole; counts instead of `API` and `PARTNER_WRITE`."""

WEBHOOK_FORGED: Final = LimitSet("webhook-forged", (Per.ADDRESS, 60, MINUTE))
"""A webhook with a wrong signature."""

PASS_REGISTER: Final = LimitSet("pass-register", (Per.TARGET, 30, HOUR), (Per.ADDRESS, 120, HOUR))
"""A phone wants to be told of a wallet pass; the target is the pass."""

DENIAL: Final = LimitSet("denial", (Per.IDENTITY, 10, MINUTE))
"""Somebody of ops or a partner is refused by a policy, and the audit log is told; identity is the session."""

LIMITS: Final = (
    SMS_START, EMAIL_START, CODE_VERIFY, CODE_WRONG, LINK_CONSUME, REFRESH, FACTOR_VERIFY, API_KEY_FAILURE,
    CODE_ISSUE, CAPTURE_WRONG, REDEEM, PAYOUT, SIGN_UP, INVITE, MANUAL_CREDIT, EXPORT, ERASE, API,
    PARTNER_WRITE, OCPI, WEBHOOK_FORGED, PASS_REGISTER, DENIAL,
)  # fmt: skip
"""Every limit there is."""


def every_limit() -> Iterator[Limit]:
    """Yield every single limit."""
    for one in LIMITS:
        yield from one.limits
