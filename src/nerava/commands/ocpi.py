"""`nerava ocpi`: invite charging networks, connect to one that invited us, see how they are doing."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from nerava.audit import ActorKind, Entry, record
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.integrations.ocpi.guard import RoamingOff
from nerava.kernel.outcomes import Ok
from nerava.roaming import overview, peers

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.installation import Installation
    from nerava.integrations.ocpi.connection import Roaming

app = typer.Typer(no_args_is_help=True, help="Charging networks that speak OCPI.")

Parties = Annotated[
    list[str] | None, typer.Option("--party", help="DE-ABC: for whom it may register; default: any.")
]
Plain = Annotated[bool, typer.Option("--plain", help="It wants tokens without base64.")]


@app.command("invite")
def invite_command(
    name: Annotated[str, typer.Argument(help="What we call the network.")],
    party: Parties = None,
    *,
    plain: Plain = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an invitation (OCPI's token A) and show it, this once; it is good for 30 days."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        roaming, now = _roaming(installation), installation.clock.now()
        peer_id, token = installation.database.run(
            lambda session: _invited(session, name, party or [], plain=plain, now=now)
        )
    out.say(f"peer {peer_id}\nversions {roaming.own.versions_url}\ntoken A {token}")
    out.document({"peer_id": str(peer_id), "versions_url": roaming.own.versions_url, "invitation": token})


@app.command("connect")
def connect_command(
    name: Annotated[str, typer.Argument(help="What we call the network.")],
    versions_url: Annotated[str, typer.Argument(help="Where its versions are.")],
    invitation: Annotated[str, typer.Option(prompt=True, hide_input=True, help="The token A it gave us.")],
    party: Parties = None,
    *,
    plain: Plain = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Register us with a network that invited us; it asks for our versions meanwhile, so `serve` must run."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        roaming, now = _roaming(installation), installation.clock.now()
        peer_id, _ = installation.database.run(
            lambda session: _invited(session, name, party or [], plain=plain, now=now)
        )
        outcome = roaming.handshake.connect(peer_id, versions_url, invitation, now)
        if not isinstance(outcome, Ok):
            installation.database.run(lambda session: peers.end(session, peer_id, now))
    if not isinstance(outcome, Ok):
        out.say(f"not connected: {outcome.code}")
        out.document({"peer_id": None, "version": None, "reason": outcome.code})
        raise typer.Exit(1)
    out.say(f"peer {peer_id} speaks {outcome.value}")
    out.document({"peer_id": str(peer_id), "version": outcome.value, "reason": None})


@app.command("list")
def list_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show every network, what followed from what it sent, and readings that fail."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        found = installation.database.read(overview.peers_view)
    rows = [
        (
            str(one.peer.id),
            one.peer.name,
            one.peer.state,
            one.peer.version or "",
            ", ".join(one.parties),
            ", ".join(f"{outcome} {many}" for outcome, many in sorted(one.outcomes.items())),
            ", ".join(f"{pull.module}: {pull.failure}" for pull in one.pulls if pull.failure),
        )
        for one in found
    ]
    headings = ("peer", "name", "state", "version", "parties", "outcomes", "failing")
    out.table("Charging networks", headings, rows)
    out.document([dict(zip(headings, row, strict=True)) for row in rows])


@app.command("end")
def end_command(
    peer: Annotated[UUID, typer.Argument(help="Its id.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End a connection: its tokens are dead at once. Repeats safely."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        now = installation.clock.now()

        def work(session: Session) -> None:
            peers.end(session, peer, now)
            record(session, _entry("roaming_peer.ended", peer), now)

        installation.database.run(work)
    out.say("ended")
    out.document({"ended": peer})


def _roaming(installation: Installation) -> Roaming:
    if installation.roaming is None:
        raise RoamingOff
    return installation.roaming


def _invited(
    session: Session, name: str, parties: list[str], *, plain: bool, now: datetime
) -> tuple[UUID, str]:
    peer_id, token = peers.invite(session, name, allowed=parties, plain=plain, now=now)
    record(session, _entry("roaming_peer.invited", peer_id), now)
    return peer_id, token


def _entry(action: str, peer_id: UUID) -> Entry:
    return Entry(
        actor_kind=ActorKind.SYSTEM,
        actor_id=f"shell:{getpass.getuser()}",
        action=action,
        object_kind="roaming_peer",
        object_id=str(peer_id),
        client_kind="cli",
    )
