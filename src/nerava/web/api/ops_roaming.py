"""Ops invite charging networks that speak OCPI, see how they are doing, and end a connection."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.audit import record
from nerava.integrations.ocpi.guard import RoamingOff
from nerava.platform.idempotency import Answer, Replay
from nerava.platform.idempotency_store import once
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.roaming import overview, peers, pulls
from nerava.roaming.peers import UnknownPeer
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body, Name
from nerava.web.api.keyed import Keyed
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.integrations.ocpi.connection import Roaming
    from nerava.roaming.overview import PeerView
    from nerava.web.api.wiring import Wiring

routes: Final = router("ops: roaming")

PartyCode = Annotated[str, Field(pattern=r"^[A-Z]{2}-[A-Z0-9]{3}$")]


class PeerIn(Body):
    """A charging network that is to connect."""

    name: Name
    parties: Annotated[list[PartyCode], Field(max_length=50)] = Field(
        default=[],
        description="The parties for which it may register; empty for any that are free",
        examples=[["DE-ABC"]],
    )
    plain_tokens: bool = Field(default=False, description="It wants our token without base64")


class InvitationOut(BaseModel):
    """What the network's people need. Keep `invitation`: it is shown this once and good for 30 days."""

    peer_id: UUID
    versions_url: str = Field(description="Where they begin")
    invitation: str | None = Field(description="OCPI's token A; null when the answer is given again")


class ReadingOut(BaseModel):
    """How far the reading of one module is."""

    module: str
    due_at: datetime
    read_until: datetime | None
    failures: int
    failure: str | None


class PeerOut(BaseModel):
    """A charging network, without what is secret about it."""

    id: UUID
    name: str
    state: str
    version: str | None
    parties: list[str] = Field(description="For whom it speaks: `DE-ABC CPO`")
    invited_at: datetime
    registered_at: datetime | None
    ended_at: datetime | None
    outcomes: dict[str, int] = Field(description="Its sessions and records by what followed from them")
    readings: list[ReadingOut]

    @classmethod
    def of(cls, view: PeerView) -> PeerOut:
        """Return the wire form of a peer."""
        row = view.peer
        readings = [
            ReadingOut(
                module=one.module,
                due_at=one.due_at,
                read_until=one.read_until,
                failures=one.failures,
                failure=one.failure,
            )
            for one in view.pulls
        ]
        return cls(
            id=row.id,
            name=row.name,
            state=row.state,
            version=row.version,
            parties=list(view.parties),
            invited_at=row.invited_at,
            registered_at=row.registered_at,
            ended_at=row.ended_at,
            outcomes=dict(view.outcomes),
            readings=readings,
        )


class PeersOut(BaseModel):
    """Charging networks, the newest first; at most 200."""

    peers: list[PeerOut]


class AskedOut(BaseModel):
    """How many modules of a network are read now."""

    modules: int


@routes.post(
    "/ops/roaming/peers",
    summary="Invite a charging network",
    status_code=HTTPStatus.CREATED,
    response_model=InvitationOut,
    responses=problems(RoamingOff),
)
@guarded(
    Policy(roles=("ops:admin",), scope="roaming:write", repeats=Repeats.KEY_ACCEPTED, step_up=StepUp.STRONG)
)
def invite(body: PeerIn, actor: Acting, request: Keyed, *, wired: Wired, now: Now) -> Response:
    """Make an invitation and show it, once: a repetition with the same key does not see it again."""
    roaming = _roaming(wired)
    made: list[InvitationOut] = []

    def work(session: Session) -> Answer:
        peer_id, token = peers.invite(
            session, body.name, allowed=body.parties, plain=body.plain_tokens, now=now
        )
        told: dict[str, object] = {"name": body.name, "parties": list(body.parties)}
        record(session, actor.entry("roaming_peer.invited", "roaming_peer", peer_id, after=told), now)
        url = roaming.own.versions_url
        made[:] = [InvitationOut(peer_id=peer_id, versions_url=url, invitation=token)]
        return Answer.of(made[0].model_copy(update={"invitation": None}), HTTPStatus.CREATED)

    given = once(wired.database, request, work, now=now)
    if given.replay is Replay.FIRST and made and given.answer.status == HTTPStatus.CREATED:
        return Answer.of(made[0], HTTPStatus.CREATED).response()
    return given.answer.response(given.replay)


@routes.get("/ops/roaming/peers", summary="The charging networks")
@guarded(Policy(roles=("ops:support", "ops:admin"), scope="roaming:read"))
def show(wired: Wired) -> PeersOut:
    """Return who is connected, how far their lists were read, and what followed from what they sent."""
    found = wired.database.read(overview.peers_view)
    return PeersOut(peers=[PeerOut.of(one) for one in found])


@routes.post(
    "/ops/roaming/peers/{peer_id}/readings",
    summary="Read everything of a charging network now",
    responses=problems(UnknownPeer),
)
@guarded(Policy(roles=("ops:support", "ops:admin"), scope="roaming:read", repeats=Repeats.BY_MEANING))
def read_now(peer_id: UUID, wired: Wired, now: Now) -> AskedOut:
    """Let the background work read its lists at once, from where it was."""

    def work(session: Session) -> int:
        peers.peer_of(session, peer_id)
        return pulls.ask_now(session, peer_id, now)

    return AskedOut(modules=wired.database.run(work, repeatable=True))


@routes.delete(
    "/ops/roaming/peers/{peer_id}",
    summary="End the connection with a charging network",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownPeer),
)
@guarded(
    Policy(roles=("ops:admin",), scope="roaming:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG)
)
def end(peer_id: UUID, actor: Acting, wired: Wired, now: Now) -> None:
    """End its tokens at once, in every process; what it sent stays."""

    def work(session: Session) -> None:
        peers.end(session, peer_id, now)
        record(session, actor.entry("roaming_peer.ended", "roaming_peer", peer_id), now)

    wired.database.run(work, repeatable=True)


def _roaming(wired: Wiring) -> Roaming:
    if wired.roaming is None:
        raise RoamingOff
    return wired.roaming
