"""Roles: exact words in a table, given by ops or by invitation, never by a token."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID


class Role(StrEnum):
    """What somebody may be."""

    DRIVER = "driver"
    SPONSOR = "sponsor"
    PARTNER = "partner"
    MERCHANT_OWNER = "merchant:owner"
    MERCHANT_MANAGER = "merchant:manager"
    MERCHANT_REGISTER = "merchant:register"
    OPS_SUPPORT = "ops:support"
    OPS_FINANCE = "ops:finance"
    OPS_ADMIN = "ops:admin"

    @property
    def has_tenant(self) -> bool:
        """Whether the role is held for one driver, sponsor, merchant or partner; ops roles are not."""
        return not self.value.startswith("ops:")


_OPS: Final = (
    "ledger:read",
    "ledger:prove",
    "audit:read",
    "switches:read",
    "switches:write",
    "merchants:read",
    "settlements:read",
    "campaigns:read",
    "rewards:read",
)

_ROAMING: Final = ("ocpi:register", "ocpi:exchange")
"""What peers of OCPI may do; no API key covers it."""

_STAFF: Final = ("staff:read", "staff:write")
_ACCESS: Final = ("roles:read", "api-keys:read", "api-keys:revoke")
_TILL: Final = ("register:read", "register:redeem")
_SHOP: Final = ("merchant:read", "merchant:write", "redemptions:refund")
_HOLDS: Final = ("holds:read", "holds:write")
_APPROVALS: Final = ("approvals:read", "approvals:write")
_PAID: Final = ("payouts:read", "payouts:write")
_HOOKS: Final = ("webhooks:read", "webhooks:write")
_CARS: Final = ("vehicles:read", "vehicles:write")

SCOPES: Final[dict[Role, frozenset[str]]] = {
    Role.DRIVER: frozenset(
        {
            "profile:read",
            "profile:write",
            "wallet:read",
            "sessions:read",
            "offers:read",
            "redemptions:read",
            "redemptions:write",
            *_CARS,
            *_PAID,
        }
    ),
    Role.SPONSOR: frozenset(
        {
            "profile:read",
            "profile:write",
            "campaigns:read",
            "campaigns:write",
            "campaigns:fund",
            *_STAFF,
            *_HOOKS,
        }
    ),
    Role.PARTNER: frozenset(
        {"profile:read", "profile:write", "sessions:write", "cdrs:write", *_HOOKS, *_ROAMING}
    ),
    Role.MERCHANT_OWNER: frozenset(
        {"profile:read", "profile:write", *_STAFF, *_TILL, *_SHOP, *_PAID, *_HOOKS}
    ),
    Role.MERCHANT_MANAGER: frozenset({"profile:read", "profile:write", *_TILL, *_SHOP}),
    Role.MERCHANT_REGISTER: frozenset({"profile:read", "profile:write", *_TILL}),
    Role.OPS_SUPPORT: frozenset(
        {
            "profile:read",
            "profile:write",
            "payout-queue:read",
            "queues:read",
            "roaming:read",
            *_ACCESS,
            *_CARS,
            *_HOLDS,
            *_OPS,
        }
    ),
    Role.OPS_FINANCE: frozenset(
        {
            "profile:read",
            "profile:write",
            "deposits:write",
            "grants:write",
            "payout-queue:read",
            "payout-queue:write",
            "queues:read",
            "queues:write",
            "settlements:write",
            *_APPROVALS,
            *_OPS,
        }
    ),
    Role.OPS_ADMIN: frozenset(
        {
            "profile:read",
            "profile:write",
            "roles:write",
            "api-keys:write",
            "merchants:write",
            "roaming:read",
            "roaming:write",
            *_ACCESS,
            *_CARS,
            *_HOLDS,
            *_OPS,
        }
    ),
}
"""What an access token for a role may be used for, at most."""


@dataclass(frozen=True, slots=True)
class Membership:
    """One role of one subject.

    Attributes:
        tenant_id: The driver, sponsor, merchant or partner it is held for; None for ops.
    """

    role: Role
    tenant_id: UUID | None = None

    @property
    def name(self) -> str:
        """How a caller names it in `Nerava-Acting-As`: the role, and its tenant where it has one."""
        return self.role.value if self.tenant_id is None else f"{self.role.value}:{self.tenant_id}"
