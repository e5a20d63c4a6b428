"""Settings of providers of points of sale."""

from __future__ import annotations

from pydantic import Field, SecretStr

from nerava.settings.addresses import WITHOUT_FRAGMENT, WITHOUT_QUERY
from nerava.settings.linked import LinkedSettings


class SquareSettings(LinkedSettings):
    """The tills of merchants who sell with Square."""

    webhook_secrets: SecretStr | None = Field(
        default=None, description="The webhook's signature key, and the one before, with a comma between"
    )
    webhook_url: str | None = Field(
        default=None,
        pattern=WITHOUT_FRAGMENT,
        description="Where Square brings webhooks, byte for byte as registered; unset: our /webhooks/square",
    )
    redirect_uri: str | None = Field(
        default=None,
        pattern=WITHOUT_QUERY,
        description="Where Square sends people back, as registered there; unset: our /tills/return",
    )
