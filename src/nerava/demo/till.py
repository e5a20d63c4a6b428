"""The till of a demo: a merchant links it at a simulated Square; what is rung up proves redemptions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from nerava.identity.acting import Actor
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.kernel.ids import fact_id
from nerava.tills.linking import Returned
from nerava.tills.links import end_own, tills_of
from nerava.tills.service import linked

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.installation import Installation
    from nerava.simulators.handle import Simulators


def till_of(installation: Installation, simulators: Simulators, merchant_id: UUID) -> str:
    """Link a new till of a merchant, as its owner does, and return the page at which one rings up.

    The sellers of an earlier demo are gone with it, so its link is ended first.
    """
    database, tills, now = installation.database, linked(installation.selling.tills), installation.clock.now()
    owner, membership = fact_id(f"demo:owner:{merchant_id}"), Membership(Role.MERCHANT_OWNER, merchant_id)

    def begin_anew(session: Session) -> str:
        for one in tills_of(session, merchant_id):
            end_own(session, merchant_id, one.id, now)
        grant_role(session, owner, membership, granted_by="demo", now=now)
        return installation.sessions.open_command(session, owner, Role.MERCHANT_OWNER, now)

    claims = installation.tokens.verify(database.run(begin_anew))
    actor = Actor(owner, membership, claims.session_id)
    seller = simulators.square.add_seller("Copper Kettle", installation.settings.money.currency)
    begun = tills.linking.begin(actor, merchant_id, now)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    code = simulators.square.agree(seller["merchant_id"])["code"]
    tills.linking.finish(actor, merchant_id, Returned(state, code=code), now)
    tills.keeping.run(now)
    return f"{simulators.url_of('square')}/till/{seller['location_id']}"
