"""Settings of providers of vehicle data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from nerava.settings.addresses import WITHOUT_QUERY
from nerava.settings.linked import LinkedSettings


class SmartcarSettings(LinkedSettings):
    """The provider that reads the cars of drivers who agreed to it."""

    version: Literal[2, 3] = Field(
        default=3,
        description="Its interface: 3, or 2 for an application whose people have tokens of their own",
    )
    webhook_secrets: SecretStr | None = Field(
        default=None,
        description="The application's management token, and the one before, with a comma between",
    )
    webhook_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,80}$",
        description="The webhook that is to hear of every connected car; unset: of which is set at Smartcar",
    )
    redirect_uri: str | None = Field(
        default=None,
        pattern=WITHOUT_QUERY,
        description="Where Smartcar sends people back, as registered there; unset: our /vehicles/return",
    )
