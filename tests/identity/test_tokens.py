"""Access tokens: only ours, only now, only for us; every forgery is one and the same 401."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nerava.identity.errors import InvalidToken, SigningKeyUnsafe
from nerava.identity.keys import KeyRing
from nerava.identity.roles import SCOPES, Role
from nerava.identity.tokens import AccessTokens, TokenOptions
from nerava.kernel.clock import FixedClock
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBJECT = UUID("018f0000-0000-7000-8000-000000000001")
OTHER = "018f0000-0000-7000-8000-000000000002"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def tokens(tmp_path: Path, clock: FixedClock) -> AccessTokens:
    return AccessTokens(KeyRing(tmp_path / "keys", clock), clock)


def test_a_token_says_who_and_never_what_they_may_do(tokens: AccessTokens) -> None:
    token = tokens.issue(SUBJECT, scopes=SCOPES[Role.DRIVER] | SCOPES[Role.OPS_FINANCE])
    claims = tokens.verify(token)
    carried = jwt.decode(token, options={"verify_signature": False})

    assert claims.subject == SUBJECT
    assert claims.scopes == SCOPES[Role.DRIVER] | SCOPES[Role.OPS_FINANCE]
    assert claims.authenticated_at == START
    assert claims.expires_at == START + timedelta(minutes=10)
    assert set(carried) == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "amr", "auth_time", "scope"}
    assert "ops" not in json.dumps(carried)
    assert jwt.get_unverified_header(token) == {
        "alg": "EdDSA",
        "typ": "at+jwt",
        "kid": tokens.keys.signing().kid,
    }


def test_a_token_lives_ten_minutes_and_thirty_seconds(tokens: AccessTokens, clock: FixedClock) -> None:
    token = tokens.issue(SUBJECT, scopes=["a:b"])
    clock.move_to(START + timedelta(minutes=10, seconds=29))
    assert tokens.verify(token).subject == SUBJECT
    clock.move_to(START + timedelta(minutes=10, seconds=30))
    with pytest.raises(InvalidToken):
        tokens.verify(token)


def encode(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forger:
    """Makes tokens that are like ours but for one thing."""

    def __init__(self, tokens: AccessTokens) -> None:
        self.key = tokens.keys.signing()
        self.claims: dict[str, Any] = jwt.decode(
            tokens.issue(SUBJECT, scopes=["wallet:read"]), options={"verify_signature": False}
        )
        self.header = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid}

    def signed(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token with a good signature over other headers or claims; None removes a claim."""
        body = {name: value for name, value in (self.claims | claims).items() if value is not None}
        text = f"{encode(self.header | (header or {}))}.{encode(body)}"
        return f"{text}.{encode(self.key.private.sign(text.encode()))}"

    def hmac_signed(self, header: dict[str, Any], secret: bytes) -> str:
        """Return a token signed with a shared secret."""
        text = f"{encode(self.header | header)}.{encode(self.claims)}"
        return f"{text}.{encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def unsigned(self, header: dict[str, Any], signature: str = "") -> str:
        """Return a token without a signature worth the name."""
        return f"{encode(self.header | header)}.{encode(self.claims)}.{signature}"

    def by_stranger(self) -> str:
        """Return a token signed with a key that is not ours, under the id of one that is."""
        text = f"{encode(self.header)}.{encode(self.claims)}"
        return f"{text}.{encode(Ed25519PrivateKey.generate().sign(text.encode()))}"


def forgeries(forger: Forger) -> dict[str, str]:
    """Return at least 25 kinds of tokens that are not to be believed."""
    now = int(START.timestamp())
    public = forger.key.public.public_bytes_raw()
    embedded = {"kty": "OKP", "crv": "Ed25519", "x": encode(public)}
    good = forger.signed()
    text, _, signature = good.rpartition(".")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "alg none": forger.unsigned({"alg": "none"}),
        "alg None": forger.unsigned({"alg": "None"}),
        "alg nOnE with our signature": forger.unsigned({"alg": "nOnE"}, signature),
        "no signature": f"{text}.",
        "two parts": text,
        "four parts": f"{good}.{signature}",
        "hmac with the public key": forger.hmac_signed({"alg": "HS256"}, public),
        "hmac with the public jwk": forger.hmac_signed({"alg": "HS256"}, json.dumps(embedded).encode()),
        "hmac called EdDSA": forger.hmac_signed({}, public),
        "rsa": jwt.encode(forger.claims, stranger, "RS256", {"typ": "at+jwt", "kid": forger.key.kid}),
        "another algorithm's name": forger.signed({"alg": "Ed25519"}),
        "a stranger's key": forger.by_stranger(),
        "an unknown kid": forger.signed({"kid": "unknown"}),
        "a kid that is a path": forger.signed({"kid": "../../keys/access-token-0001.key.json"}),
        "a kid that is sql": forger.signed({"kid": "' OR 1=1 --"}),
        "a kid that is a number": forger.signed({"kid": 1}),
        "no kid": forger.signed({"kid": None}),
        "jku": forger.signed({"jku": "https://evil.example/jwks.json"}),
        "x5u": forger.signed({"x5u": "https://evil.example/cert.pem"}),
        "x5c": forger.signed({"x5c": ["MII"]}),
        "embedded jwk": forger.signed({"jwk": embedded}),
        "crit": forger.signed({"crit": ["exp"]}),
        "b64 false": forger.signed({"b64": False}),
        "typ JWT": forger.signed({"typ": "JWT"}),
        "typ of an id token": forger.signed({"typ": "id+jwt"}),
        "another issuer": forger.signed(iss="https://evil.example"),
        "another audience": forger.signed(aud="other-api"),
        "our audience among others": forger.signed(aud=["nerava-api", "other-api"]),
        "expired": forger.signed(iat=now - 1_000, exp=now - 31),
        "not yet valid": forger.signed(nbf=now + 60),
        "issued in the future": forger.signed(iat=now + 120, exp=now + 240),
        "lives for a day": forger.signed(exp=now + 86_400),
        "never expires": forger.signed(exp=None),
        "expiry is text": forger.signed(exp=str(now + 600)),
        "expiry is a float": forger.signed(exp=now + 0.5),
        "expiry is true": forger.signed(exp=True),
        "no subject": forger.signed(sub=None),
        "subject is no id": forger.signed(sub="admin"),
        "no session": forger.signed(sid=None),
        "no jti": forger.signed(jti=None),
        "no scope": forger.signed(scope=None),
        "scope is a list": forger.signed(scope=["wallet:read"]),
        "methods are text": forger.signed(amr="pwd"),
        "signed in before time began": forger.signed(auth_time=-(10**18)),
        "signed in tomorrow": forger.signed(auth_time=now + 86_400),
        "claims are a list": f"{encode(forger.header)}.{encode([])}.{signature}",
        "claims are no json": f"{encode(forger.header)}.{encode(b'{')}.{signature}",
        "header is no json": f"{encode(b'x')}.{encode(forger.claims)}.{signature}",
        "changed subject": f"{encode(forger.header)}.{encode(forger.claims | {'sub': OTHER})}.{signature}",
        "a refresh token": "nvr_" + "a" * 43,
        "empty": "",
        "64 kB": forger.signed(pad="x" * 65_536),
        "not ascii": good + "é",
        "white space inside": good.replace(".", ". "),
        "percent encoded": good.replace(".", "%2e"),
    }


def test_the_forger_can_make_a_good_token(tokens: AccessTokens) -> None:
    assert tokens.verify(Forger(tokens).signed()).subject == SUBJECT


def test_every_forgery_is_refused_in_the_same_words(tokens: AccessTokens) -> None:
    forged = forgeries(Forger(tokens))
    assert len(forged) >= 25
    accepted, words = [], set()
    for name, token in forged.items():
        try:
            tokens.verify(token)
            accepted.append(name)
        except InvalidToken as refused:
            words.add((refused.code, refused.detail))
    assert accepted == []
    assert words == {("invalid-token", InvalidToken.title)}


def test_options_that_would_let_a_stolen_token_live_long_are_refused() -> None:
    with pytest.raises(ValueError, match="15 minutes"):
        TokenOptions(life=timedelta(minutes=16))
    with pytest.raises(ValueError, match="issuer"):
        TokenOptions(issuer="")


def test_the_first_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path, clock: FixedClock) -> None:
    rings = [KeyRing(tmp_path / "keys", clock) for _ in range(16)]
    made = in_parallel(16, lambda index: rings[index].signing().kid)

    files = list((tmp_path / "keys").iterdir())
    assert len(set(made)) == 1
    assert [file.name for file in files] == ["access-token-0001.key.json"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, clock: FixedClock, mode: int) -> None:
    KeyRing(tmp_path, clock).signing()
    next(tmp_path.iterdir()).chmod(mode)
    with pytest.raises(SigningKeyUnsafe, match="make it 0600"):
        KeyRing(tmp_path, clock).signing()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"d": "AA", "created_at": "2026-11-22T00:00:00+00:00"}', "[]"]
)
def test_a_damaged_key_is_refused_without_showing_it(tmp_path: Path, clock: FixedClock, content: str) -> None:
    file = tmp_path / "access-token-0001.key.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(SigningKeyUnsafe) as refused:
        KeyRing(tmp_path, clock).signing()
    assert refused.value.__cause__ is None


def test_rotation_publishes_first_signs_later_and_lets_old_tokens_run_out(
    tokens: AccessTokens, clock: FixedClock
) -> None:
    first = tokens.keys.signing().kid
    second = tokens.keys.rotate().kid
    assert tokens.keys.signing().kid == first
    assert [key["kid"] for key in tokens.keys.jwks()["keys"]] == [first, second]

    clock.move_to(START + timedelta(minutes=14, seconds=59))
    last_of_first = tokens.issue(SUBJECT, scopes=["a:b"])
    clock.move_to(START + timedelta(minutes=15))
    assert tokens.keys.signing().kid == second
    clock.move_to(START + timedelta(minutes=24))
    assert tokens.verify(last_of_first).subject == SUBJECT
    clock.move_to(START + timedelta(minutes=35))
    assert [key["kid"] for key in tokens.keys.jwks()["keys"]] == [second]
    with pytest.raises(InvalidToken):
        tokens.verify(last_of_first)


def test_the_public_set_holds_no_secret(tokens: AccessTokens) -> None:
    tokens.keys.signing()
    (published,) = tokens.keys.jwks()["keys"]
    assert set(published) == {"kty", "crv", "x", "kid", "alg", "use"}
