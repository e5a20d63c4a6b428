"""`nerava import ocpi`: the locations of charging networks that are connected, read now and in full."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nerava.commands.errors import DirectoryOff, DirectoryUnreadable, NetworkBusy
from nerava.commands.importing import SHOWN_MAX, count_ways
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.roaming import objects, peers, pulls
from nerava.roaming.model import Module, PeerState

if TYPE_CHECKING:
    from nerava.installation import Installation
    from nerava.integrations.ocpi.connection import Roaming
    from nerava.roaming.model import RoamingPeer

KNOWN: Final = "known"
WORDS: Final = {
    "not_public": "is published to nobody",
    "no_time_zone": "says no time zone",
    "unusable_place": "lies nowhere, or in no time zone that there is",
    "doubtful_coordinates": "is kept without its place: the coordinates are not on the globe",
    "nothing_left": "has no charger that its operator did not remove",
    "unreadable": "cannot be read",
}

Networks = Annotated[
    list[str] | None, typer.Argument(metavar="[PEER]…", help="Ids or names of peers; default: all of them.")
]


def ocpi_command(network: Networks = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Read the locations of charging networks; a reading that was interrupted goes on where it was."""
    out = Output(as_json=as_json)
    with opened(out, database, migrate=True) as installation:
        roaming = installation.roaming
        if roaming is None:
            raise DirectoryOff("set NERAVA_OCPI__MODE, NERAVA_OCPI__COUNTRY_CODE and NERAVA_OCPI__PARTY_ID")
        read = [_bring(out, installation, roaming, peer) for peer in _named(installation, network or [])]
        linked = count_ways(out, installation)
        out.document({"networks": read, "linked": linked})


def _named(installation: Installation, wanted: list[str]) -> list[RoamingPeer]:
    """Return the connected networks of these ids or names, or all."""
    found = installation.database.read(lambda session: _detached(session, peers.peers(session)))
    connected = [one for one in found if one.state == PeerState.REGISTERED.value]
    unknown = [name for name in wanted if not any(name in {str(one.id), one.name} for one in connected)]
    if unknown:
        message = f"no network is connected with this id or name: {', '.join(unknown)}"
        raise typer.BadParameter(message)
    return [one for one in connected if not wanted or {str(one.id), one.name} & set(wanted)]


def _detached(session: Any, found: list[RoamingPeer]) -> list[RoamingPeer]:  # noqa: ANN401 - a session
    for one in found:
        session.expunge(one)
    return found


def _bring(out: Output, installation: Installation, roaming: Roaming, peer: RoamingPeer) -> dict[str, Any]:
    """Read the locations of one network and let follow what follows; print and return what that did.

    Raises:
        NetworkBusy: A worker reads them at this moment (409).
        DirectoryUnreadable: The network could not be read to the end; the next run goes on there (502).
    """
    of, clock = (peer.id, Module.LOCATIONS), installation.clock
    offered = installation.database.read(
        lambda session: [one.module for one in pulls.pulls_of(session, of[0])]
    )
    if of[1].value not in offered:
        raise DirectoryUnreadable(f"{peer.name} lists no locations")
    counts: Counter[str] = Counter()
    refused: list[tuple[str, str]] = []
    with out.steps() as tell:
        while True:
            page = roaming.pulling.read_on(*of, clock.now())
            if page is None:
                raise NetworkBusy(peer.name)
            if page.failure is not None:
                raise DirectoryUnreadable(f"{peer.name}: {page.failure}")
            counts.update(read=page.rows, new=page.new)
            refused += page.refused
            tell("reading", counts["read"], page.total or 0)
            if page.is_last:
                break
        worked = 0
        while done := roaming.work.run(clock.now(), of=of):
            worked += done
            tell("bringing in", worked, counts["read"])
    outcomes = installation.database.read(lambda session: objects.outcomes(session, *of))
    rejects = [
        *(("", name, why) for name, why in refused),
        *(
            (outcome, name, WORDS.get(outcome, outcome))
            for name, outcome in outcomes.items()
            if outcome not in {KNOWN, None}
        ),
    ]
    _show(out, peer.name, {**counts, "changed": worked - counts["new"]}, rejects)
    return {
        "peer_id": str(peer.id),
        "name": peer.name,
        **counts,
        "changed": worked - counts["new"],
        "shown": sum(outcome == KNOWN for outcome in outcomes.values()),
        "rejects": [
            {"reference": name, "reason": reason or "refused", "detail": why} for reason, name, why in rejects
        ],
    }


def _show(out: Output, name: str, counts: dict[str, int], rejects: list[tuple[str, str, str]]) -> None:
    rows = [("read", counts["read"]), ("new", counts["new"]), ("changed", counts["changed"])]
    out.table(f"Locations of {name}", ("", "locations"), [*rows, ("not shown", len(rejects))])
    if rejects:
        shown = [(reference, detail) for _, reference, detail in rejects[:SHOWN_MAX]]
        out.table("Locations that are not shown", ("location", "why"), shown)
