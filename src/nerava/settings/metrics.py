"""Who measures, and who may see it."""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, field_validator

from nerava.settings.groups import Group

TOKEN_CHARACTERS_MIN: Final = 16


class MetricsSettings(Group):
    """`/metrics`: on in production, 404 elsewhere; with a token, 401 without it."""

    enabled: bool | None = Field(
        default=None,
        description="Tell metrics at `/metrics`; unset: in production and staging; also `METRICS_ENABLED`",
    )
    token: SecretStr | None = Field(
        default=None,
        min_length=TOKEN_CHARACTERS_MIN,
        description="Whoever asks must send it (bearer); opens the map of `/readyz`; unset: nobody must; "
        "several versions with commas between; also `METRICS_TOKEN`",
    )
    work_host: str = Field(
        default="127.0.0.1", description="Where `nerava work` tells its metrics: the address to listen on"
    )
    work_port: int = Field(
        default=9464, ge=0, le=65_535, description="And the port; 0 takes a free one and the log says which"
    )

    @field_validator("token")
    @classmethod
    def _each_version_is_long(cls, token: SecretStr | None) -> SecretStr | None:
        versions = () if token is None else token.get_secret_value().split(",")
        if any(len(one.strip()) < TOKEN_CHARACTERS_MIN for one in versions):
            message = f"each version has {TOKEN_CHARACTERS_MIN} characters at least"
            raise ValueError(message)
        return token
