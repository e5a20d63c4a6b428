"""What the settings of providers have in common where people link an account of theirs to us."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from nerava.settings.addresses import OF_AN_APP, TLS_OR_LOCAL
from nerava.settings.groups import Group


class LinkedSettings(Group):
    """An application of ours at a provider, by which people let us see what they have there."""

    mode: Literal["off", "simulator", "sandbox", "live"] = Field(
        default="off", description="off, simulator (this machine), sandbox (made-up accounts) or live"
    )
    client_id: str | None = Field(default=None, description="The provider's name for our application")
    client_secret: SecretStr | None = Field(default=None, description="The secret of our application")
    base_url: str | None = Field(
        default=None,
        pattern=TLS_OR_LOCAL,
        description="Where the simulator is; unset: the provider's own addresses",
    )
    app_url: str | None = Field(
        default=None,
        pattern=OF_AN_APP,
        description="Where people who come back are sent on to with what came back, such as the address of "
        "the app; unset: a page that says what to do",
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
