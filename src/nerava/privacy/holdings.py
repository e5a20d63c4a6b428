"""Every table that knows something of a person: whose rows they are, what is shown, what erasure does.

One list, so that the copy of one's data and its end speak of the same tables; a test compares it
with the schema. Tables of the ledger are read here for the copy and never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from nerava.audit import model as _audit
from nerava.charging import telemetry_store as _telemetry
from nerava.charging.model import ChargingSession
from nerava.drivers import pass_store as _passes
from nerava.drivers.model import Driver
from nerava.grid import model as _grid
from nerava.identity import access_store as _access
from nerava.identity import factor_store as _factors
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import AppUser, owner_of
from nerava.ledger import switch_store as _switches
from nerava.merchants import model as _merchants
from nerava.outbox import crm_store as _crm
from nerava.outbox import model as _outbox
from nerava.outbox import webhook_store as _webhooks
from nerava.payouts.model import Payout
from nerava.payouts.states import OwnerKind
from nerava.platform import idempotency_store as _answers
from nerava.platform.db import Base
from nerava.platform.vault_store import DataKey
from nerava.privacy.model import Consent
from nerava.privacy.nobodys import NOBODYS
from nerava.rewards import model as _rewards
from nerava.rewards import referral_store as _referrals
from nerava.rewards import return_store as _returns
from nerava.roaming import model as _roaming
from nerava.tills import model as _tills
from nerava.vehicles import model as _vehicles

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Select

    from nerava.privacy.subjects import Subject

    Mine = Callable[[Any, Subject], ColumnElement[bool]]

__all__ = ["DECLARING", "HOLDINGS", "NOBODYS", "Holding", "Mine", "OnErase"]

# Their tables are found by name; the modules are named here so that they are there to be found.
DECLARING: Final = (
    _audit,
    _access,
    _factors,
    _switches,
    _answers,
    _merchants,
    _crm,
    _grid,
    _outbox,
    _passes,
    _webhooks,
    _rewards,
    _referrals,
    _returns,
    _roaming,
    _telemetry,
    _tills,
    _vehicles,
    AppUser,
    Driver,
    DataKey,
    Consent,
)


class OnErase(StrEnum):
    """What erasure does with the rows."""

    DELETE = "delete"
    KEEP = "keep"
    """They name opaque ids alone, and somebody must be able to show them."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one table knows of a person.

    Attributes:
        mine: The condition that finds the rows of a subject; takes the table's columns.
        hidden: Columns that the copy leaves out: secrets, hashes, and what is about others.
        shown: If given, the only columns of the copy.
    """

    table: str
    mine: Mine
    on_erase: OnErase = OnErase.KEEP
    hidden: frozenset[str] = frozenset()
    shown: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the copy, in order."""
        every = tuple(column.name for column in Base.metadata.tables[self.table].columns)
        return self.shown or tuple(name for name in every if name not in self.hidden)


def _by(column: str) -> Mine:
    return lambda c, who: c[column] == who.user_id


def _by_driver(column: str) -> Mine:
    return lambda c, who: c[column].in_(who.driver_ids)


def _by_account(*columns: str) -> Mine:
    return lambda c, who: or_(*(c[one].in_(who.account_ids) for one in columns))


def _by_name(*columns: str) -> Mine:
    return lambda c, who: or_(*(c[one].in_(who.names) for one in columns))


def _by_sign_in(column: str) -> Mine:
    return lambda c, who: c[column].in_(select(AuthSession.id).where(AuthSession.user_id == who.user_id))


def _by_charging(column: str) -> Mine:
    return lambda c, who: c[column].in_(
        select(ChargingSession.id).where(ChargingSession.driver_id.in_(who.driver_ids))
    )


def _by_redemption(column: str) -> Mine:
    redemption = _merchants.Redemption
    return lambda c, who: c[column].in_(select(redemption.id).where(redemption.driver_id.in_(who.driver_ids)))


def _by_grant(column: str) -> Mine:
    grant = _rewards.RewardGrant
    return lambda c, who: c[column].in_(select(grant.id).where(grant.driver_id.in_(who.driver_ids)))


def _lots(c: Any, who: Subject) -> ColumnElement[bool]:  # noqa: ANN401 - columns of any table
    lot = Base.metadata.tables["ledger_lot"].c
    mine: ColumnElement[bool] = c["lot_id"].in_(select(lot.id).where(lot.account_id.in_(who.account_ids)))
    return mine


def _by_car_link(column: str) -> Mine:
    link = _vehicles.VehicleLink
    return lambda c, who: c[column].in_(select(link.id).where(link.driver_id.in_(who.driver_ids)))


def _by_pass(column: str) -> Mine:
    row = _passes.WalletPass
    return lambda c, who: c[column].in_(select(row.id).where(row.driver_id.in_(who.driver_ids)))


def _cars(c: Any, who: Subject) -> ColumnElement[bool]:  # noqa: ANN401 - columns of any table
    link = _vehicles.VehicleLink
    mine: ColumnElement[bool] = c["id"].in_(select(link.vehicle_id).where(link.driver_id.in_(who.driver_ids)))
    return mine


def _places(c: Any, who: Subject) -> ColumnElement[bool]:  # noqa: ANN401 - columns of any table
    visited = select(ChargingSession.location_id).where(ChargingSession.driver_id.in_(who.driver_ids))
    mine: ColumnElement[bool] = c["id"].in_(visited)
    return mine


def _paid(c: Any, who: Subject) -> ColumnElement[bool]:  # noqa: ANN401 - columns of any table
    mine: ColumnElement[bool] = (c["owner_kind"] == OwnerKind.DRIVER.value) & c["owner_id"].in_(
        who.driver_ids
    )
    return mine


def _payouts_of(who: Subject) -> Select[Any]:
    return select(Payout.id).where(
        Payout.owner_kind == OwnerKind.DRIVER.value, Payout.owner_id.in_(who.driver_ids)
    )


def _audited(c: Any, who: Subject) -> ColumnElement[bool]:  # noqa: ANN401 - columns of any table
    mine: ColumnElement[bool] = or_(
        c["actor_id"] == str(who.user_id),
        c["object_id"].in_([str(who.user_id), *map(str, who.driver_ids)]),
    )
    return mine


def _secret(*names: str) -> frozenset[str]:
    return frozenset(names)


HOLDINGS: Final = (
    # In the order in which erasure deletes: what refers to a row before the row.
    Holding(
        "message_job",
        lambda c, who: c["contact_ix"].in_(who.contact_indexes),
        OnErase.DELETE,
        _secret("contact_ix", "sealed", "is_muted"),
    ),
    Holding(
        "suppressed_contact",
        lambda c, who: c["contact_ix"].in_(who.contact_indexes),
        OnErase.DELETE,
        _secret("contact_ix"),
    ),
    Holding(
        "sign_in_challenge",
        lambda c, who: or_(c["contact_ix"].in_(who.contact_indexes), c["user_id"] == who.user_id),
        OnErase.DELETE,
        shown=("id", "kind", "purpose", "channel", "attempts", "created_at", "expires_at", "used_at"),
    ),
    Holding(
        "sign_in_failures",
        lambda c, who: c["identity_ix"].in_([*who.contact_indexes, who.identity_index]),
        OnErase.DELETE,
        _secret("identity_ix"),
    ),
    Holding("user_contact", _by("user_id"), OnErase.DELETE, _secret("contact_ix", "sealed")),
    Holding("external_identity", _by("user_id"), OnErase.DELETE),
    Holding("id_token_state", _by("user_id"), OnErase.DELETE, _secret("nonce_hash", "client_hash")),
    Holding("factor_totp", _by("user_id"), OnErase.DELETE, _secret("sealed", "last_step")),
    Holding("factor_passkey", _by("user_id"), OnErase.DELETE),
    Holding("passkey_ceremony", _by("user_id"), OnErase.DELETE, _secret("challenge")),
    Holding("ops_link", _by("user_id"), OnErase.DELETE, _secret("token_hash")),
    Holding("refresh_token", _by_sign_in("family_id"), OnErase.DELETE, _secret("hash")),
    Holding("web_session", _by_sign_in("session_id"), OnErase.DELETE, _secret("hash")),
    # It ends sessions for a minute after they are gone; retention removes it.
    Holding("revocation", _by_sign_in("session_id")),
    Holding("auth_session", _by("user_id"), OnErase.DELETE),
    Holding("consent", _by("user_id"), OnErase.DELETE),
    Holding("export_job", _by("user_id"), OnErase.DELETE, _secret("sealed")),
    Holding("role_membership", _by("subject"), OnErase.DELETE, _secret("granted_by")),
    Holding(
        "legal_hold",
        lambda c, who: or_(c["placed_by"] == who.user_id, c["lifted_by"] == who.user_id),
        shown=("id", "kind", "placed_at", "lifted_at"),
    ),
    Holding("app_user", _by("id")),
    Holding("erasure", _by("user_id")),
    Holding("data_key", lambda c, who: c["owner"] == owner_of(who.user_id), hidden=_secret("wrapped")),
    Holding(
        "invite",
        lambda c, who: or_(
            c["made_by"] == who.user_id,
            c["used_by"] == who.user_id,
            c["contact_ix"].in_(who.contact_indexes),
        ),
        shown=("id", "role", "tenant_id", "made_at", "expires_at", "used_at", "withdrawn_at"),
    ),
    Holding(
        "api_key", _by("made_by"), shown=("id", "key_id", "partner_id", "purpose", "made_at", "revoked_at")
    ),
    Holding(
        "approval",
        lambda c, who: or_(c["maker"] == who.user_id, c["checker"] == who.user_id),
        shown=("id", "kind", "weight", "state", "asked_at", "decided_at"),
    ),
    Holding(
        "switch_release",
        _by_name("maker", "checker"),
        shown=("id", "name", "asked_at", "approved_at", "voided_at"),
    ),
    Holding("kill_switch", _by_name("set_by", "released_by"), shown=("name", "is_on", "set_at")),
    Holding(
        "idempotency_key",
        lambda c, who: c["principal"] == f"user:{who.user_id}",
        shown=("key", "state", "status", "stored_at"),
    ),
    Holding(
        "audit_entry",
        _audited,
        shown=("id", "at", "role", "session_id", "action", "object_kind", "object_id", "result", "ip_prefix"),
    ),
    # Ids and states alone, gone after 30 days.
    Holding(
        "outbox_event",
        lambda c, who: or_(c["driver_id"].in_(who.driver_ids), c["subject_id"] == who.user_id),
        shown=("id", "type", "subject_id", "data", "happened_at"),
    ),
    Holding("crm_event", _by("user_id"), OnErase.DELETE, shown=("id", "name", "properties", "happened_at")),
    # It goes by itself once the other side has forgotten them, which is what it is kept for.
    Holding("crm_contact", _by("user_id"), shown=("user_id", "remote_id", "state", "since")),
    # Both go by themselves: phones are told that the pass is over, and for a week they can see it.
    Holding("wallet_pass_device", _by_pass("pass_id"), shown=("pass_id", "since")),
    Holding(
        "wallet_pass",
        _by_driver("driver_id"),
        shown=("id", "kind", "state", "serial", "made_at", "pushed_at"),
    ),
    Holding("vehicle_charge", _by_driver("driver_id"), OnErase.DELETE),
    Holding("vehicle_signal", _by_car_link("link_id"), OnErase.DELETE),
    Holding("vehicle_link", _by_driver("driver_id"), OnErase.DELETE),
    # Nobody's from the moment on when its last link goes: erasure empties it before.
    Holding("vehicle", _cars, hidden=_secret("vin_ix")),
    Holding(
        "vehicle_connect",
        _by_driver("driver_id"),
        OnErase.DELETE,
        shown=("id", "provider", "consent_text", "state", "created_at", "returned_at"),
    ),
    Holding(
        "vehicle_token", _by("user_id"), OnErase.DELETE, shown=("id", "provider", "account", "good_until")
    ),
    Holding("referral_code", _by_driver("driver_id"), OnErase.DELETE),
    Holding("roaming_token", _by_driver("driver_id"), OnErase.DELETE),
    Holding(
        "roaming_object",
        _by_driver("driver_id"),
        OnErase.DELETE,
        shown=("id", "module", "country_code", "party_id", "body", "received_at", "outcome", "session_id"),
    ),
    Holding("driver", _by_driver("id")),
    Holding("charging_session", _by_driver("driver_id")),
    Holding("charging_location", _places),
    Holding("session_evidence", _by_charging("session_id")),
    Holding("session_price", _by_charging("session_id")),
    Holding("session_purchase", _by_charging("session_id")),
    Holding("reward_decision", _by_charging("session_id")),
    Holding("reward_decision_grid", _by_charging("session_id")),
    Holding("grid_session", _by_charging("session_id"), hidden=_secret("next_at", "digest")),
    Holding("reward_grant", _by_driver("driver_id"), hidden=_secret("fee_share")),
    Holding("reward_cap", _by_driver("driver_id")),
    Holding("reward_expiry", _by_grant("grant_id"), hidden=_secret("fee_returned")),
    Holding("reward_clawback", _by_grant("grant_id"), hidden=_secret("fee_returned", "decided_by")),
    Holding("reward_receivable", _by_grant("grant_id"), hidden=_secret("next_at")),
    Holding(
        "referral",
        lambda c, who: or_(c["referrer_id"].in_(who.driver_ids), c["referee_id"].in_(who.driver_ids)),
        shown=("id", "state", "reason", "named_at", "rewarded_at"),
    ),
    Holding("redemption", _by_driver("driver_id"), hidden=_secret("code_hash", "code_key", "due_at")),
    Holding("redemption_refund", _by_redemption("redemption_id")),
    Holding("pos_order", _by_redemption("redemption_id"), hidden=_secret("next_at")),
    Holding("till_proof", _by_redemption("redemption_id"), hidden=_secret("next_at")),
    Holding("till_match", _by_redemption("redemption_id")),
    Holding(
        "till_order",
        _by_redemption("redemption_id"),
        shown=("id", "external_id", "state", "currency", "amount_minor", "rung_up_at", "closed_at"),
    ),
    Holding("till_link", _by("user_id"), shown=("id", "provider", "state", "linked_at", "ended_at")),
    Holding("till_way", _by("user_id"), OnErase.DELETE, shown=("id", "provider", "state", "created_at")),
    Holding("perk_claim", _by_driver("driver_id"), hidden=_secret("fee_minor", "transaction_key")),
    Holding("offer_code", _by_driver("driver_id"), shown=("batch_id", "number", "claimed_at")),
    Holding("payout_method", _paid, hidden=_secret("looks", "links", "next_at")),
    Holding(
        "payout", _paid, hidden=_secret("flags", "body_hash", "reviewed_by", "approved_by", "leased_until")
    ),
    Holding(
        "payout_evidence",
        lambda c, who: c["payout_id"].in_(_payouts_of(who)),
        shown=("id", "payout_id", "source", "fact", "read_at"),
    ),
    Holding(
        "payout_case",
        lambda c, who: or_(c["payout_id"].in_(_payouts_of(who)), c["closed_by"] == who.user_id),
        shown=("id", "kind", "payout_id", "opened_at", "closed_at"),
    ),
    Holding(
        "payout_batch",
        lambda c, who: or_(c["maker"] == who.user_id, c["checker"] == who.user_id),
        shown=("id", "state", "made_at", "decided_at"),
    ),
    Holding("ledger_account", _by_account("id"), shown=("id", "code", "asset", "kind", "created_at")),
    Holding("ledger_balance", _by_account("account_id"), hidden=_secret("lane", "floor", "ceiling")),
    Holding(
        "ledger_transfer",
        _by_account("debit", "credit"),
        shown=("id", "template", "kind", "debit", "credit", "asset", "amount", "effective_at", "posted_at"),
    ),
    Holding(
        "ledger_open_hold",
        lambda c, who: or_(c["debit"].in_(who.account_ids), c["credit"].in_(who.account_ids)),
        hidden=_secret("lane"),
    ),
    Holding("ledger_lot", _by_account("account_id")),
    Holding("ledger_lot_use", _lots),
)
