"""A device proof is worth something for one request, one token and one minute."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nerava.identity.devices import proved_key
from nerava.identity.errors import InvalidDeviceProof
from tests.helpers.device import DeviceKey

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://nerava.example/v1/auth/refresh"
TOKEN = "nvr_" + "a" * 43


def prove(proof: str, token: str | None = TOKEN, *, method: str = "POST", url: str = URL) -> str:
    """Check a proof as the refresh route does."""
    return proved_key(proof, method=method, url=url, now=NOW, refresh_token=token)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
def test_a_device_proves_its_key_and_always_the_same_one(kind: str) -> None:
    device, other = DeviceKey(kind), DeviceKey(kind)
    first = prove(device.proof("POST", URL, NOW, TOKEN))
    assert prove(device.proof("POST", URL, NOW, TOKEN)) == first == device.thumbprint
    assert len(first) == 43
    assert prove(other.proof("POST", URL, NOW, TOKEN)) != first


def test_at_sign_in_there_is_no_token_to_name() -> None:
    device = DeviceKey("ES256")
    assert prove(device.proof("POST", URL, NOW), token=None) == device.thumbprint


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "https://evil.example/v1/auth/refresh"},
        {"htu": URL + "?x=1"},
        {"iat": int(NOW.timestamp()) - 61},
        {"iat": int(NOW.timestamp()) + 61},
        {"iat": True},
        {"iat": NOW.timestamp()},
        {"iat": None},
        {"ath": "another"},
        {"ath": None},
        {"jti": None},
        {"jti": "short"},
        {"jti": ["a" * 20]},
        {"jti": "a" * 129},
    ],
    ids=str,
)
def test_a_proof_of_something_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDeviceProof):
        prove(DeviceKey("ES256").proof("POST", URL, NOW, TOKEN, **changes))


def test_forged_proofs_are_refused_in_the_same_words() -> None:
    device = DeviceKey("ES256")
    good = device.proof("POST", URL, NOW, TOKEN)
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    other = DeviceKey("ES256")
    long_curve = generate_private_key(SECP384R1())
    edwards = Ed25519PrivateKey.generate()
    secret = "s" * 64
    private_number = base64.urlsafe_b64encode(bytes(32)).decode()
    head, body, signature = good.split(".")

    def signed(changes: dict[str, Any], key: Any = device.private, algorithm: str = "ES256") -> str:
        changed = {name: value for name, value in (header | changes).items() if value is not None}
        return jwt.encode(claims, key, algorithm, {"typ": "JWT"} | changed)

    hmac_head = base64.urlsafe_b64encode(json.dumps(header | {"alg": "HS256"}).encode()).rstrip(b"=").decode()
    forged = {
        "unsigned": jwt.encode(claims, None, "none", {name: header[name] for name in ("typ", "jwk")}),
        "hmac": jwt.encode(claims, secret, "HS256", {name: header[name] for name in ("typ", "jwk")}),
        "hmac by hand": f"{hmac_head}.{body}.{signature}",
        "signed by another": signed({}, other.private),
        "another's key": signed({"jwk": other.jwk}),
        "of another type": signed({"typ": "at+jwt"}),
        "with a key id": signed({"kid": "1"}),
        "with a key address": signed({"jku": "https://evil.example/keys"}),
        "with the private key": signed({"jwk": device.jwk | {"d": private_number}}),
        "a longer curve": signed({"alg": "ES384"}, long_curve, "ES384"),
        "an edwards key as es256": signed({"jwk": DeviceKey("EdDSA").jwk}),
        "an elliptic key as eddsa": signed({"alg": "EdDSA"}, edwards, "EdDSA"),
        "no key": signed({"jwk": None}),
        "a key that is text": signed({"jwk": "x"}),
        "a key without x": signed({"jwk": {name: device.jwk[name] for name in ("kty", "crv", "y")}}),
        "cut short": good[:-10],
        "no signature": f"{head}.{body}.",
        "two dots": "..",
        "empty": "",
        "long": good + "A" * 4_096,
        "not ascii": good + "é",
    }
    accepted, words = [], set()
    for name, proof in forged.items():
        try:
            prove(proof)
            accepted.append(name)
        except InvalidDeviceProof as refused:
            words.add(refused.detail)
    assert accepted == []
    assert words == {InvalidDeviceProof.title}
    assert prove(good) == device.thumbprint


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    private = generate_private_key(SECP256R1())
    device = DeviceKey("ES256", private)
    canonical = json.dumps(
        {name: device.jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True
    )
    expected = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    assert prove(device.proof("POST", URL, NOW, TOKEN)) == expected
