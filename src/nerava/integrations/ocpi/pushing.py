"""Tells peers about our tokens: each as it is when it is told, never an old state again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nerava.integrations.ocpi.api import Identity
from nerava.integrations.ocpi.instants import instant_text
from nerava.kernel.outcomes import Ok
from nerava.roaming import tokens
from nerava.roaming.peers import OPERATOR, line_to, peer_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.integrations.ocpi.api import PeerApi
    from nerava.integrations.ocpi.handshake import Own
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.roaming.model import RoamingToken
    from nerava.roaming.peers import Line, Peer

PIECE: Final = 50


def token_object(token: RoamingToken, own: Own) -> dict[str, Any]:
    """Return a token of ours as OCPI writes it."""
    return {
        "country_code": own.country_code,
        "party_id": own.party_id,
        "uid": token.uid,
        "type": token.kind,
        "contract_id": token.contract_id,
        "issuer": own.name,
        "valid": token.is_valid,
        "whitelist": token.whitelist,
        "last_updated": instant_text(token.last_updated),
    }


class TokenPushing:
    """Tells what peers do not know yet. A peer that knew it already is told once more at worst."""

    def __init__(self, database: Database, vault: Vault, api: PeerApi, own: Own) -> None:
        self._database = database
        self._vault = vault
        self._api = api
        self._own = own

    def run(self, now: datetime) -> int:
        """Tell what is due, a bounded piece, and return how much it was."""
        taken = self._database.run(lambda session: tokens.claim_pushes(session, now, PIECE))
        for peer_id, token, as_of in taken:
            is_told = self._told(peer_id, token)
            self._database.run(
                lambda session, one=(peer_id, token.id, as_of), told=is_told: _noted(  # type: ignore[misc]
                    session, one, now, told=told
                ),
                repeatable=True,
            )
        return len(taken)

    def _told(self, peer_id: UUID, token: RoamingToken) -> bool:
        def look(session: Session) -> tuple[Line | None, Peer]:
            return line_to(session, self._vault, peer_id), peer_of(session, peer_id)

        line, peer = self._database.read(look)
        at = None if line is None else line.endpoints.get(("tokens", "RECEIVER"))
        if line is None or at is None:
            return False
        operator = next((one for one in peer.parties if one.role == OPERATOR), None)
        parties = None if operator is None else (self._own.code, operator.code)
        url = f"{at}/{self._own.country_code}/{self._own.party_id}/{quote(token.uid, safe='')}"
        body = token_object(token, self._own)
        identity = Identity(line.token, line.sends_plain, parties, str(peer_id))
        return isinstance(self._api.send("PUT", url, identity, body, [("type", token.kind)]), Ok)


def _noted(session: Session, owed: tuple[UUID, UUID, datetime], now: datetime, *, told: bool) -> None:
    peer_id, token_id, as_of = owed
    if told:
        tokens.pushed(session, peer_id, token_id, as_of)
    else:
        tokens.push_failed(session, peer_id, token_id, now)
