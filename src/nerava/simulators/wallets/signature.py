"""Looks at the signature of a pass as a phone does: what is signed, by whom, and whether Apple knows them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from nerava.simulators.wallets.keys import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST: Final = bytes.fromhex("06092a864886f70d010904")
_SIGNED_AT: Final = bytes.fromhex("06092a864886f70d010905")
_SET: Final = 0x31
_CONTEXT: Final = 0xA0
_OCTETS: Final = 0x04


def fault_of(signature: bytes, signed: bytes) -> str | None:
    """Return what is wrong with a detached signature (CMS in DER); None if nothing is."""
    try:
        return _fault(signature, signed)
    except (ValueError, IndexError, StopIteration):
        return "the signature cannot be read"


def _fault(signature: bytes, signed: bytes) -> str | None:
    _oid, wrapped = _parts(_inside(signature))
    fields = list(_parts(_inside(_inside(wrapped))))
    certificates = [x509.load_der_x509_certificate(one) for one in _parts(_inside(_tagged(fields, _CONTEXT)))]
    signers = list(_parts(_inside(fields[-1])))
    signer = list(_parts(_inside(signers[0])))
    attributes, proof = _tagged(signer, _CONTEXT), _inside(_tagged(signer, _OCTETS))
    leaf = next((one for one in certificates if isinstance(one.public_key(), rsa.RSAPublicKey)), None)
    digest = hashlib.sha256(signed).digest()
    told = {one[2:13]: one for one in _parts(_inside(attributes))}
    if leaf is None or len(certificates) < 2:  # noqa: PLR2004 - the pass's and the one above
        return "a certificate is missing"
    if not is_ours(leaf):
        return "nobody knows who signed it"
    if _SIGNED_AT not in told or not told[_DIGEST].endswith(digest):
        return "something else was signed, or nobody says when"
    if not _is_of(leaf, bytes([_SET]) + attributes[1:], proof):
        return "the signature is not that of the certificate"
    return None


def _is_of(leaf: x509.Certificate, signed: bytes, proof: bytes) -> bool:
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(proof, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _tagged(parts: list[bytes], tag: int) -> bytes:
    return next(one for one in parts if one[0] == tag)


def _inside(element: bytes) -> bytes:
    head, length = _head(element)
    return element[head : head + length]


def _parts(inside: bytes) -> Iterator[bytes]:
    while inside:
        head, length = _head(inside)
        yield inside[: head + length]
        inside = inside[head + length :]


def _head(element: bytes) -> tuple[int, int]:
    """Return how long tag and length are, and how long what follows is."""
    first = element[1]
    if first < 0x80:  # noqa: PLR2004 - the short form
        return 2, first
    more = first & 0x7F
    return 2 + more, int.from_bytes(element[2 : 2 + more])
