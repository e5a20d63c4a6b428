"""A simulated iPhone: takes passes, wants to be told of changes, and fetches what changed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nerava.simulators.wallets.signature import fault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nerava.simulators.wire import Json

    Ask = Callable[[str, str, Mapping[str, str], bytes | None], "tuple[int, Mapping[str, str], bytes]"]
    """Method, address, headers and body; status, headers in lower case and body."""

_NEEDED: Final = ("formatVersion", "passTypeIdentifier", "teamIdentifier", "serialNumber", "description")


class Spoiled(Exception):
    """The phone does not take this file."""


def opened(file: bytes) -> Json:
    """Return what a pass says; as a phone does, after looking at every hash and at the signature.

    Raises:
        Spoiled: It is no pass, or not as it was signed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        manifest, signature = files.pop("manifest.json"), files.pop("signature")
        listed = json.loads(manifest)
        told: Json = json.loads(files["pass.json"])
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise Spoiled("it is no pass") from None
    found = {name: hashlib.sha1(body, usedforsecurity=False).hexdigest() for name, body in files.items()}
    if found != listed:
        raise Spoiled("a file is not what the manifest says")
    if "icon.png" not in files or not all(name in told for name in _NEEDED):
        raise Spoiled("something that every pass has is missing")
    fault = fault_of(signature, manifest)
    if fault is not None:
        raise Spoiled(fault)
    return told


@dataclass(slots=True)
class Phone:
    """One phone and what is in its wallet.

    Attributes:
        device: What it calls itself towards those who make passes.
        push_token: Where Apple reaches it.
        passes: What they say, by serial number.
        last: What it was given as the number of the last change.
        modified: When each pass was last changed, as it was told.
    """

    device: str
    push_token: str
    passes: dict[str, Json] = field(default_factory=dict)
    last: str | None = None
    modified: dict[str, str] = field(default_factory=dict)

    def add(self, file: bytes, ask: Ask) -> int:
        """Take a pass, and ask to be told of changes; return what was answered."""
        told = opened(file)
        self.passes[told["serialNumber"]] = told
        return self.register(told["serialNumber"], ask)

    def register(self, serial: str, ask: Ask) -> int:
        """Ask to be told of changes of a pass; return what was answered."""
        body = json.dumps({"pushToken": self.push_token}).encode()
        return self._call("POST", serial, self._registration(serial), ask, body)[0]

    def drop(self, serial: str, ask: Ask) -> int:
        """Throw a pass away; return what was answered."""
        status = self._call("DELETE", serial, self._registration(serial), ask)[0]
        self.passes.pop(serial)
        return status

    def refresh(self, ask: Ask) -> list[str]:
        """Do what a push is for: ask what changed, and fetch it; return the serial numbers."""
        pass_type = next(iter(self.passes.values()))["passTypeIdentifier"]
        path = f"/v1/devices/{quote(self.device)}/registrations/{quote(pass_type)}"
        since = "" if self.last is None else f"?passesUpdatedSince={quote(self.last)}"
        status, _, body = ask("GET", self._base() + path + since, {}, None)
        if status == 204:  # noqa: PLR2004 - nothing changed
            return []
        told = json.loads(body)
        self.last = told["lastUpdated"]
        return [serial for serial in told["serialNumbers"] if self.fetch(serial, ask) == 200]  # noqa: PLR2004

    def fetch(self, serial: str, ask: Ask) -> int:
        """Fetch a pass if it changed; return what was answered."""
        pass_type = self.passes[serial]["passTypeIdentifier"]
        path = f"/v1/passes/{quote(pass_type)}/{quote(serial)}"
        since = {"if-modified-since": self.modified[serial]} if serial in self.modified else {}
        status, headers, body = self._call("GET", serial, path, ask, more=since)
        if status == 200:  # noqa: PLR2004 - it did
            self.passes[serial] = opened(body)
            self.modified[serial] = headers["last-modified"]
        return status

    def _base(self) -> str:
        return str(next(iter(self.passes.values()))["webServiceURL"])

    def _registration(self, serial: str) -> str:
        pass_type = self.passes[serial]["passTypeIdentifier"]
        return f"/v1/devices/{quote(self.device)}/registrations/{quote(pass_type)}/{quote(serial)}"

    def _call(
        self,
        method: str,
        serial: str,
        path: str,
        ask: Ask,
        body: bytes | None = None,
        *,
        more: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        token: Any = self.passes[serial]["authenticationToken"]
        headers = {"authorization": f"ApplePass {token}", **(more or {})}
        if body is not None:
            headers["content-type"] = "application/json"
        return ask(method, self._base() + path, headers, body)
