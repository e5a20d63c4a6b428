"""What ops see of peers: who they are, how far they were read, and what followed from what they sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.roaming import peers, pulls
from nerava.roaming.model import Module, RoamingObject, RoamingParty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from nerava.roaming.model import RoamingPeer, RoamingPull

_O: Final[Any] = RoamingObject.__table__.c


@dataclass(frozen=True, slots=True)
class PeerView:
    """A peer, for whom it speaks, how far it was read, and its sessions and records by outcome."""

    peer: RoamingPeer
    parties: Sequence[str]
    pulls: Sequence[RoamingPull]
    outcomes: Mapping[str, int]


def peers_view(session: Session) -> list[PeerView]:
    """Return every peer, the newest first; at most 200."""
    counted = select(_O.peer_id, _O.outcome, func.count().label("many")).where(
        _O.module.in_([Module.SESSIONS.value, Module.CDRS.value])
    )
    outcomes: dict[Any, dict[str, int]] = {}
    for row in session.execute(counted.group_by(_O.peer_id, _O.outcome)):
        outcomes.setdefault(row.peer_id, {})[row.outcome or "waiting"] = row.many
    spoken: dict[Any, list[str]] = {}
    for one in session.scalars(select(RoamingParty)):
        spoken.setdefault(one.peer_id, []).append(f"{one.country_code}-{one.party_id} {one.role}")
    found = []
    for peer in peers.peers(session):
        rows = pulls.pulls_of(session, peer.id)
        session.expunge(peer)
        for pull in rows:
            session.expunge(pull)
        found.append(PeerView(peer, sorted(spoken.get(peer.id, ())), rows, outcomes.get(peer.id, {})))
    return found
