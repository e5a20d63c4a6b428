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


SCOPES: Final[dict[Role, frozenset[str]]] = {
    Role.DRIVER: frozenset({"profile:read", "wallet:read", "sessions:read"}),
    Role.SPONSOR: frozenset({"profile:read", "campaigns:read", "campaigns:write", "campaigns:fund"}),
    Role.PARTNER: frozenset({"profile:read", "sessions:write", "cdrs:write"}),
    Role.MERCHANT_OWNER: frozenset({"profile:read"}),
    Role.MERCHANT_MANAGER: frozenset({"profile:read"}),
    Role.MERCHANT_REGISTER: frozenset({"profile:read"}),
    Role.OPS_SUPPORT: frozenset({"profile:read", "ledger:read"}),
    Role.OPS_FINANCE: frozenset({"profile:read", "ledger:read", "deposits:write", "grants:write"}),
    Role.OPS_ADMIN: frozenset({"profile:read", "ledger:read"}),
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
