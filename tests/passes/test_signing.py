"""The file of a pass and its certificate: what is in it, who believes it, and how it shows itself to Apple."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pydantic import SecretStr, ValidationError

from nerava.integrations.apple_wallet.api import AppleWallet
from nerava.integrations.apple_wallet.files import Issuer, document, packed
from nerava.integrations.apple_wallet.signing import Certificate, NotUsable
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.passes.ports import GONE, AppleDetails, Content
from nerava.platform.outbound import Surroundings
from nerava.platform.provider_calls import APNS_PUSH
from nerava.settings import Settings
from nerava.simulators.faults import Kind
from nerava.simulators.handle import Simulators
from nerava.simulators.wallets.phone import Spoiled, opened
from nerava.startup_checks.providers import providers
from tests.passes.conftest import CLOCK, apple_settings, google_settings

CONTENT = Content("serial-1", 42, "gold", is_voided=False)
DETAILS = AppleDetails("token-of-this-pass", "https://nerava.example/passes/apple")
HASH = "4d8d9ee797eb8e823a570196aaf5888a800cf6224476aba7a314cf1b1cb256da"
ONCE = Surroundings(calls={APNS_PUSH.call.name: replace(APNS_PUSH.call, attempts=1)})


def certificate(world: Simulators) -> Certificate:
    paper = world.apple.paper()
    return Certificate.from_pem(paper.certificate, paper.intermediate, paper.key)


def wallet(world: Simulators, pass_type: str | None = None, base_url: str | None = None) -> AppleWallet:
    issuer = Issuer(pass_type or world.apple.pass_type, world.apple.team, "Nerava")
    url = base_url or world.url_of("apns")
    return AppleWallet(issuer, certificate(world), now=CLOCK.now, base_url=url, surroundings=ONCE)


def repacked(file: bytes, **changes: bytes | None) -> bytes:
    """Return the file with other contents; None leaves a file out."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        files: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    files |= {name.replace("__", "."): body for name, body in changes.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, body in files.items():
            if body is not None:
                archive.writestr(name, body)
    return stream.getvalue()


def test_the_same_pass_is_the_same_bytes_but_for_the_signature() -> None:
    told = document(Issuer("pass.example.points", "A1B2C3D4E5", "Nerava"), CONTENT, DETAILS)
    files = {packed(told, lambda manifest: hashlib.sha256(manifest).digest()) for _ in range(2)}
    [file] = files
    assert hashlib.sha256(file).hexdigest() == HASH
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest.keys() == set(names) - {"manifest.json", "signature"}
        assert archive.read("icon.png").startswith(b"\x89PNG")


def test_a_phone_takes_what_was_signed_and_nothing_else(world: Simulators) -> None:
    apple = wallet(world)
    file = apple.build(CONTENT, DETAILS)
    told = opened(file)
    assert told["storeCard"]["primaryFields"][0]["value"] == 42
    assert told["authenticationToken"] == DETAILS.token
    assert DETAILS.token not in repr(DETAILS)

    manifest = zipfile.ZipFile(io.BytesIO(file)).read("manifest.json")
    richer = json.dumps(told | {"storeCard": {}}).encode()
    listed = json.loads(manifest) | {"pass.json": hashlib.sha1(richer).hexdigest()}  # noqa: S324 - Apple's
    bad = {
        "it is no pass": b"not a zip",
        "a file is not what the manifest says": repacked(file, pass__json=richer),
        "something else was signed, or nobody says when": repacked(
            file, pass__json=richer, manifest__json=json.dumps(listed).encode()
        ),
        "the signature cannot be read": repacked(file, signature=b"\x30\x03\x02\x01\x00"),
    }
    for why, spoiled in bad.items():
        with pytest.raises(Spoiled, match=why):
            opened(spoiled)
    with pytest.raises(Spoiled, match="it is no pass"):
        opened(repacked(file, signature=None))
    apple.close()


def test_a_phone_does_not_take_what_somebody_else_signed(
    world: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    apple = wallet(world)
    file = apple.build(CONTENT, DETAILS)
    monkeypatch.setattr("nerava.simulators.wallets.signature.is_ours", lambda _leaf: False)
    with pytest.raises(Spoiled, match="nobody knows who signed it"):
        opened(file)
    apple.close()


NO_CHECK_OF_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the certificate is of the simulated time."""


def test_the_certificate_is_shown_to_whoever_asks_for_it(world: Simulators, tmp_path: Path) -> None:
    mine, paper = certificate(world).tls(), world.apple.paper()
    assert mine.check_hostname
    assert mine.verify_mode is ssl.CERT_REQUIRED
    assert mine.minimum_version is ssl.TLSVersion.TLSv1_2
    # The other side here has no certificate that anybody knows, and is believed for once.
    mine.check_hostname = False
    mine.verify_mode = ssl.CERT_NONE
    chain = tmp_path / "server.pem"
    chain.write_text(paper.certificate + paper.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    server.load_verify_locations(cadata=paper.intermediate)
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= NO_CHECK_OF_TIME
    told = handshake(mine, server)
    assert told["subject"] == ((("commonName", world.apple.pass_type),),)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, Any]:
    """Let two sides shake hands in memory and return whom the server saw."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there)
    theirs = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return dict(theirs.getpeercert() or {})


def test_what_is_no_certificate_with_its_key_is_refused_without_repeating_it(world: Simulators) -> None:
    paper = world.apple.paper()
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    odd = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for key in ("secret-text", other.decode(), odd.decode()):
        with pytest.raises(NotUsable) as refused:
            Certificate.from_pem(paper.certificate, paper.intermediate, key)
        assert "secret-text" not in str(refused.value)
    assert "PRIVATE" not in repr(certificate(world))


def test_settings_fit_together_or_name_what_does_not(world: Simulators) -> None:
    apple, google = apple_settings(world), google_settings(world)
    for given, changes in (
        (apple, {"team": None}),
        (apple, {"certificate": None}),
        (apple, {"key": SecretStr("no key")}),
        (apple, {"base_url": None}),
        (apple, {"mode": "live"}),
        (google, {"key": None}),
        (google, {"logo_url": None}),
        (google, {"base_url": None}),
        (google, {"mode": "live"}),
    ):
        values = {name: getattr(given, name) for name in type(given).model_fields}
        with pytest.raises(ValidationError):
            type(given).model_validate({**values, **changes})
        assert type(given).model_validate({**values, **changes, "mode": "off"}).mode == "off"


def test_production_takes_neither_simulated_wallets_nor_other_addresses(world: Simulators) -> None:
    apple, google = apple_settings(world), google_settings(world)
    simulated = Settings(env="production", apple_wallet=apple, google_wallet=google)
    assert {one.setting for one in providers(simulated)} == {
        "NERAVA_APPLE_WALLET__MODE",
        "NERAVA_GOOGLE_WALLET__MODE",
    }
    elsewhere = {"mode": "live", "base_url": "https://somewhere.example"}
    live = Settings(
        env="production",
        apple_wallet=apple.model_copy(update=elsewhere),
        google_wallet=google.model_copy(update=elsewhere),
    )
    assert {one.setting for one in providers(live)} == {
        "NERAVA_APPLE_WALLET__BASE_URL",
        "NERAVA_GOOGLE_WALLET__BASE_URL",
    }


def test_what_becomes_of_a_push_is_told_apart(world: Simulators) -> None:
    phone, apple = world.apple.phone("ann"), wallet(world)
    assert apple.push(phone.push_token) == Ok(None)
    assert apple.push("ab" * 32) == Refused(GONE)
    assert apple.push("../../etc") == Misconfigured("BadPath")
    for fault, outcome in (
        ({"kind": Kind.STATUS, "status": 403}, Misconfigured("BadCertificate")),
        ({"kind": Kind.STATUS, "status": 413}, Misconfigured("PayloadTooLarge")),
        ({"kind": Kind.STATUS, "status": 500}, Unknown("InternalServerError")),
        ({"kind": Kind.RATE, "retry_after": "absent"}, RetryLater("TooManyRequests")),
        ({"kind": Kind.ANSWER_LOST}, Unknown("remote-protocol-error")),
        ({"kind": Kind.CUT}, Unknown("remote-protocol-error")),
        ({"kind": Kind.REDIRECT}, Misconfigured("status-302")),
    ):
        world.faults.heal()
        world.faults.add(**fault)
        assert apple.push(phone.push_token) == outcome
    apple.close()
    other = wallet(world, "pass.example.others")
    world.faults.heal()
    assert other.push(phone.push_token) == Misconfigured("TopicDisallowed")
    other.close()
    away = wallet(world, base_url="http://127.0.0.1:1")
    assert isinstance(away.push(phone.push_token), RetryLater)
    away.close()
