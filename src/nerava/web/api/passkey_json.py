"""Passkeys as browsers write them: every member of `PublicKeyCredential.toJSON()` and no other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from nerava.web.api.fields import Body

Base64Url = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,8192}$")]
Transport = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,20}$")]
Attachment = Literal["platform", "cross-platform"]
Extensions = Annotated[
    dict[str, Any], Field(max_length=20, description="Not looked at: no extension is asked for")
]

# ruff: noqa: N815 - the members have the browser's names


class MadeResponse(Body):
    """What an authenticator says about a new passkey; the first two members count."""

    clientDataJSON: Base64Url
    attestationObject: Base64Url
    authenticatorData: Base64Url | None = None
    publicKey: Base64Url | None = None
    publicKeyAlgorithm: int | None = None
    transports: Annotated[tuple[Transport, ...], Field(max_length=10)] = ()


class ShownResponse(Body):
    """What an authenticator says to a challenge."""

    clientDataJSON: Base64Url
    authenticatorData: Base64Url
    signature: Base64Url
    userHandle: Base64Url | None = None
    attestationObject: Base64Url | None = None


class MadePasskey(Body):
    """A new passkey."""

    id: Base64Url
    rawId: Base64Url
    type: Literal["public-key"]
    response: MadeResponse
    authenticatorAttachment: Attachment | None = None
    clientExtensionResults: Extensions = Field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """Return what is verified."""
        return self.model_dump(include={"id", "rawId", "type", "response"}, exclude_none=True)


class ShownPasskey(Body):
    """A passkey's answer to a challenge."""

    id: Base64Url
    rawId: Base64Url
    type: Literal["public-key"]
    response: ShownResponse
    authenticatorAttachment: Attachment | None = None
    clientExtensionResults: Extensions = Field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """Return what is verified."""
        return self.model_dump(include={"id", "rawId", "type", "response"}, exclude_none=True)
