"""Everything with which people prove who they are, beyond codes and links, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nerava.identity.challenges import Codes
from nerava.identity.factors import Factors
from nerava.identity.linking import Identities
from nerava.identity.messages import MethodOff
from nerava.identity.oidc import IdTokens
from nerava.identity.ops_invites import OpsInvites
from nerava.identity.ops_links import OpsLinks
from nerava.identity.own_contacts import OwnContacts
from nerava.identity.passkeys import Passkeys
from nerava.identity.totp import Authenticators

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.audit import AuditLog
    from nerava.identity.asking import Desk
    from nerava.identity.oidc import Issuer, Provider
    from nerava.identity.passkeys import RelyingParty
    from nerava.identity.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Methods:
    """What an installation offers.

    Attributes:
        party: For whom passkeys are made; None switches them off.
        issuers: Whose word is taken; every other one is off.
        ops_links: Whether the demo's links are taken; never under production rules.
    """

    party: RelyingParty | None
    issuers: Mapping[Provider, Issuer]
    ops_links: bool


@dataclass(frozen=True, slots=True)
class Proving:
    """The services behind it. Safe to share between threads and processes."""

    factors: Factors
    authenticators: Authenticators
    passkeys: Passkeys
    id_tokens: IdTokens
    identities: Identities
    contacts: OwnContacts
    links: OpsLinks | None
    invites: OpsInvites

    @property
    def ops_links(self) -> OpsLinks:
        """The demo's links for ops.

        Raises:
            MethodOff: This installation takes none (503).
        """
        if self.links is None:
            raise MethodOff
        return self.links


def put_together(desk: Desk, sessions: Sessions, audit: AuditLog, methods: Methods) -> Proving:
    """Return the services of an installation."""
    factors = Factors(
        desk.database,
        desk.vault,
        desk.limits,
        audit,
        sessions=sessions,
        tell=desk.messages.notify,
    )
    id_tokens = IdTokens(desk.database, desk.admission, methods.issuers)
    return Proving(
        factors=factors,
        authenticators=Authenticators(factors),
        passkeys=Passkeys(factors, desk.admission, methods.party),
        id_tokens=id_tokens,
        identities=Identities(desk.database, id_tokens, factors),
        contacts=OwnContacts(desk, Codes(desk), factors),
        links=OpsLinks(desk.database, desk.admission) if methods.ops_links else None,
        invites=OpsInvites(desk.database, desk.vault, audit, desk.admission),
    )
