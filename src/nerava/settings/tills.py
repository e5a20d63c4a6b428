"""Settings of providers of points of sale."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from nerava.settings.groups import Group


class SquareSettings(Group):
    """The tills of merchants who sell with Square."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="Square: off, simulator (this machine), sandbox (test sellers) or live"
    )
    client_id: str | None = Field(default=None, description="Square's name for our application")
    client_secret: SecretStr | None = Field(default=None, description="The secret of our application")
    webhook_secrets: SecretStr | None = Field(
        default=None, description="The webhook's signature key, and the one before, with a comma between"
    )
    webhook_url: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[^#\s]+$",
        description="Where Square brings webhooks, byte for byte as registered; unset: our /webhooks/square",
    )
    redirect_uri: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[^#?\s]+$",
        description="Where Square sends people back, as registered there; unset: our /tills/return",
    )
    app_url: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]{1,40}://[^#?\s]{1,300}$",
        description="Where our /tills/return sends people on to with what came back; unset: a page that "
        "says what to do",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])",
        description="Where the simulator is; unset: Square's own address",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "off":
            return self
        if self.client_id is None or self.client_secret is None:
            message = "client_id and client_secret are needed unless the mode is off"
            raise ValueError(message)
        if (self.mode == "simulator") != ((self.base_url or "").startswith("http://")):
            message = "base_url must name the simulators on this machine, and only for the simulator"
            raise ValueError(message)
        return self
