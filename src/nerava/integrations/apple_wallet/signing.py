"""The certificate of a kind of pass: it signs passes, and shows Apple's push service who calls."""

from __future__ import annotations

import os
import secrets as csprng
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

if TYPE_CHECKING:
    from datetime import datetime


class NotUsable(ValueError):
    """What was given is no certificate with its key; never says what was given."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of Apple's for one kind of pass, its key, and what Apple signed it with."""

    leaf: x509.Certificate
    intermediate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def from_pem(cls, certificate: str, intermediate: str, key: str) -> Certificate:
        """Return what is written in PEM; the key without a password.

        Raises:
            NotUsable: Something cannot be read, or the key is that of another certificate.
        """
        try:
            leaf = x509.load_pem_x509_certificate(certificate.encode())
            above = x509.load_pem_x509_certificate(intermediate.encode())
            private = serialization.load_pem_private_key(key.encode(), None)
        except (ValueError, TypeError):
            raise NotUsable("a certificate, an intermediate and a key without a password, in PEM") from None
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise NotUsable("the key is neither RSA nor on a curve")
        if private.public_key() != leaf.public_key():
            raise NotUsable("the key is that of another certificate")
        return cls(leaf, above, private)

    @property
    def expires_at(self) -> datetime:
        """When the certificate ends, aware UTC."""
        return self.leaf.not_valid_after_utc

    def sign(self, manifest: bytes) -> bytes:
        """Return a detached signature in DER, with both certificates and the time in it.

        A certificate that has ended signs, too: phones that have the pass look at the time in it.
        """
        builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest)
        builder = builder.add_signer(self.leaf, self.key, hashes.SHA256()).add_certificate(self.intermediate)
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        return builder.sign(serialization.Encoding.DER, options)

    def tls(self) -> ssl.SSLContext:
        """Return what shows this certificate to a server, and asks the server for one of its own."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        password = csprng.token_urlsafe(24)
        pem = serialization.Encoding.PEM
        sealed = self.key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
        # The library reads files alone: one for a moment, sealed, and readable by nobody else.
        handle, name = tempfile.mkstemp()
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.leaf.public_bytes(pem) + self.intermediate.public_bytes(pem) + sealed)
            context.load_cert_chain(name, password=password)
        finally:
            Path(name).unlink()
        return context
