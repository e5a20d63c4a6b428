"""The simulated Google Wallet: walletobjects.googleapis.com, and the tokens that open it."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Silent
from nerava.simulators.wallets.keys import claims_of
from nerava.simulators.wallets.pages import objects_page
from nerava.simulators.wire import Answer, as_json, parsed

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "gwallet"
SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
LASTS_S: Final = 3_599
_ROWS: Final = re.compile(r"/walletobjects/v1/(loyaltyClass|loyaltyObject)(?:/([^/]+))?")
_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(slots=True)
class GoogleState:
    """Everything that it believes.

    Attributes:
        tokens: Until when each is good, in seconds since 1970.
        rows: Classes and objects, by kind and name.
    """

    issuer_id: str = ""
    account: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"loyaltyClass": {}, "loyaltyObject": {}}
    )


class GoogleEngine(Silent):
    """A `Provider` that answers like Google Wallet."""

    name = NAME

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self.chance = chance
        self.state = GoogleState()

    def fresh(self) -> None:
        """Forget everything; our account is drawn from the seed, not from anybody else's chance."""
        chance = Chance(self.chance.seed)
        number = 3_388_000_000_000_000_000 + int(chance.hex(12), 16)
        self.state = GoogleState(str(number), f"passes-{chance.hex(4)}@example.iam.gserviceaccount.com")

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API, or show the passes to a person."""
        if call.method == "GET" and call.path == "/passes":
            return objects_page(self.state.rows["loyaltyObject"].values())
        if call.method == "POST" and call.path == "/token":
            return self._token(call)
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        if self.state.tokens.get(bearer, 0) <= self._now_s():
            return self._no(401, "Request had invalid authentication credentials.")
        found = _ROWS.fullmatch(call.path)
        if found is None:
            return self._no(404, "Requested entity was not found.")
        return self._row(call, found[1], None if found[2] is None else unquote(found[2]))

    def fail(self, call: Call, status: int, code: str | None) -> Answer:
        """Answer with an error of this status; of tokens in the words of OAuth."""
        if call.path == "/token":
            return as_json({"error": code or "internal_failure"}, status, indent=None)
        return self._no(status, code or "There was a problem.")

    def believes(self) -> Json:
        """Return classes and objects; no secrets."""
        return copy.deepcopy(dict(self.state.rows))

    def save(self, token: str) -> str:
        """Do what a person does who opens a link: save the object, and make what is not there yet.

        Return the name of the object; an empty one if the link is not good.
        """
        claims = claims_of(token)
        if claims is None or claims.get("iss") != self.state.account:
            return ""
        if (claims.get("aud"), claims.get("typ")) != ("google", "savetowallet"):
            return ""
        payload = claims.get("payload", {})
        for kind, told in (("loyaltyClass", "loyaltyClasses"), ("loyaltyObject", "loyaltyObjects")):
            for one in payload.get(told, []):
                self.state.rows[kind].setdefault(one["id"], one)
        return str(payload["loyaltyObjects"][0]["id"])

    def _token(self, call: Call) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        claims = claims_of(asked.get("assertion", ""))
        if asked.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return as_json({"error": "unsupported_grant_type"}, 400, indent=None)
        if claims is None or claims.get("iss") != self.state.account or claims.get("scope") != SCOPE:
            return as_json({"error": "invalid_grant"}, 400, indent=None)
        if claims.get("aud") != f"{call.origin}/token" or claims.get("exp", 0) <= self._now_s():
            return as_json({"error": "invalid_grant"}, 400, indent=None)
        text = f"ya29.{self.chance.text(40)}"
        self.state.tokens[text] = self._now_s() + LASTS_S
        told = {"access_token": text, "expires_in": LASTS_S, "token_type": "Bearer"}
        return as_json(told, indent=None)

    def _row(self, call: Call, kind: str, name: str | None) -> Answer:
        rows, told = self.state.rows[kind], parsed(call.body)
        if call.method == "POST" and name is None:
            return self._insert(kind, told)
        if name is None or name not in rows:
            return self._no(404, f"{name} not found.")
        if call.method == "PATCH":
            rows[name] = {**rows[name], **told, "id": name}
        elif call.method != "GET":
            return self._no(404, "Requested entity was not found.")
        return as_json(rows[name], indent=None)

    def _insert(self, kind: str, told: Json) -> Answer:
        rows, name = self.state.rows[kind], str(told.get("id", ""))
        if not name.startswith(f"{self.state.issuer_id}."):
            return self._no(403, "The issuer is not yours.")
        if name in rows:
            return self._no(409, f"{name} already exists.")
        if kind == "loyaltyClass" and not told.get("programLogo"):
            return self._no(400, "programLogo is required.")
        if kind == "loyaltyObject" and told.get("classId") not in self.state.rows["loyaltyClass"]:
            return self._no(404, f"{told.get('classId')} not found.")
        rows[name] = told
        return as_json(told, indent=None)

    def _no(self, status: int, message: str) -> Answer:
        word = _WORDS.get(status, "UNKNOWN")
        return as_json({"error": {"code": status, "message": message, "status": word}}, status, indent=None)

    def _now_s(self) -> int:
        return int(self.timeline.now().timestamp())
