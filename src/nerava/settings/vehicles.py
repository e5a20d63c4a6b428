"""Settings of providers of vehicle data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from nerava.settings.groups import Group


class SmartcarSettings(Group):
    """The provider that reads the cars of drivers who agreed to it."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="Smartcar: off, simulator (this machine), sandbox (made-up cars) or live"
    )
    version: Literal[2, 3] = Field(
        default=3,
        description="Its interface: 3, or 2 for an application whose people have tokens of their own",
    )
    client_id: str | None = Field(default=None, description="Smartcar's name for our application")
    client_secret: SecretStr | None = Field(default=None, description="The secret of our application")
    webhook_secrets: SecretStr | None = Field(
        default=None,
        description="The application's management token, and the one before, with a comma between",
    )
    webhook_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,80}$",
        description="The webhook that is to hear of every connected car; unset: of which is set at Smartcar",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])",
        description="Where the simulators are; unset: Smartcar's own addresses",
    )
    redirect_uri: str | None = Field(
        default=None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[^#?\s]+$",
        description="Where Smartcar sends people back, as registered there; unset: our /vehicles/return",
    )

    app_url: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]{1,40}://[^#?\s]{1,300}$",
        description="Where our /vehicles/return sends people on to with what came back, such as the address "
        "of the app; unset: a page that says what to do",
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
