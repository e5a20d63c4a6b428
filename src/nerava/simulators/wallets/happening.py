"""What people do with simulated phones, and what is in their wallets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.wallets import keys
from nerava.simulators.wallets.phone import Phone

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nerava.simulators.wallets.apple import ApnsEngine
    from nerava.simulators.wallets.google import GoogleEngine
    from nerava.simulators.wallets.keys import Paper
    from nerava.simulators.wire import Json

YEAR = timedelta(days=365)


class AppleByHand(ByHand):
    """What a test holds of simulated phones of Apple."""

    def __init__(self, apns: ApnsEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self.engine = apns

    @property
    def pass_type(self) -> str:
        """The kind of pass that is ours."""
        return self.engine.state.pass_type

    @property
    def team(self) -> str:
        """Our team."""
        return self.engine.state.team

    def paper(self, ends_at: datetime | None = None) -> Paper:
        """Return a certificate for our kind of pass; it ends in a year unless an instant is given."""
        return keys.paper(self.pass_type, ends_at or self.engine.timeline.now() + YEAR)

    def phone(self, name: str) -> Phone:
        """Return a phone, new or known by this name; its page is `/apns/phones/{name}`."""
        with self.moment():
            state, chance = self.engine.state, self.engine.chance
            if name not in state.phones:
                state.phones[name] = Phone(chance.hex(32), chance.hex(64))
            return state.phones[name]

    def pushes(self, phone: Phone | None = None) -> list[Json]:
        """Return the pushes that came, to one phone or to all, the oldest first."""
        with self.moment():
            found = self.engine.believes()["pushes"]
        return [one for one in found if phone is None or one["token"] == phone.push_token]

    @lets_happen
    def wipe(self, name: str) -> Json:
        """Let the address of a phone be nobody's from now on, as when somebody resets it."""
        state = self.engine.state
        token = state.phones[name].push_token
        state.gone[token] = int(self.engine.timeline.now().timestamp() * 1_000)
        return {"token": token}


class GoogleByHand(ByHand):
    """What a test holds of the simulated Google Wallet."""

    def __init__(self, google: GoogleEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self.engine = google

    @property
    def issuer_id(self) -> str:
        """Our number."""
        return self.engine.state.issuer_id

    @property
    def account(self) -> str:
        """The name of our service account."""
        return self.engine.state.account

    @property
    def key(self) -> str:
        """Its private key, in PEM."""
        return keys.account_pem()

    def objects(self) -> dict[str, Json]:
        """Return the passes, by name."""
        with self.moment():
            found: dict[str, Json] = self.engine.believes()["loyaltyObject"]
        return found

    @lets_happen
    def save(self, link: str) -> Json:
        """Open a link and save the pass; the name of the object, an empty one if the link is not good."""
        return {"id": self.engine.save(link.rpartition("/")[2])}

    @lets_happen
    def let_in(self, token: str) -> Json:
        """Let a token of somebody's own choice be good for an hour."""
        ends_at = self.engine.timeline.now() + timedelta(hours=1)
        self.engine.state.tokens[token] = int(ends_at.timestamp())
        return {"token": token}

    @lets_happen
    def clear(self) -> Json:
        """Remove every class and object, as somebody may who has the account."""
        for rows in self.engine.state.rows.values():
            rows.clear()
        return {}

    @lets_happen
    def expire_tokens(self) -> Json:
        """Let no token be good any more."""
        ended = len(self.engine.state.tokens)
        self.engine.state.tokens = {}
        return {"ended": ended}
