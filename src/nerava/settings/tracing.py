"""Where traces go, and how many there are."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from nerava.settings.groups import Group, names_in

_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class TracingSettings(Group):
    """Traces, by OTLP to a collector; nothing of it is loaded while it is off."""

    enabled: bool = Field(default=False, description="Record traces; also `OTEL_ENABLED`")
    endpoint: str = Field(
        default="http://127.0.0.1:4318",
        pattern=r"^https?://[^\s?#]+$",
        description="The collector, to which `/v1/traces` is added; also `OTEL_EXPORTER_OTLP_ENDPOINT`",
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="The whole address, if it is another one; also `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`",
    )
    headers: SecretStr | None = Field(
        default=None,
        description="What the collector wants to see: `name=value`, separated by commas, URL-encoded; "
        "also `OTEL_EXPORTER_OTLP_HEADERS`",
    )
    protocol: Literal["http/protobuf"] = Field(
        default="http/protobuf", description="The one we speak; also `OTEL_EXPORTER_OTLP_PROTOCOL`"
    )
    service_name: str = Field(
        default="nerava", min_length=1, description="Our name in traces; also `OTEL_SERVICE_NAME`"
    )
    resource: str | None = Field(
        default=None,
        description="More about this installation: `name=value`, separated by commas, URL-encoded; "
        "also `OTEL_RESOURCE_ATTRIBUTES`",
    )
    sample_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How many of the traces that begin here are recorded; also `OTEL_TRACES_SAMPLER_ARG`",
    )
    queue_spans: int = Field(
        default=8_192,
        ge=16,
        le=1_000_000,
        description="Spans that may wait for the collector, more are dropped; also `OTEL_BSP_MAX_QUEUE_SIZE`",
    )

    @field_validator("headers")
    @classmethod
    def _names_headers(cls, text: SecretStr | None) -> SecretStr | None:
        _pairs(None if text is None else text.get_secret_value())
        return text

    @field_validator("resource")
    @classmethod
    def _names_attributes(cls, text: str | None) -> str | None:
        _pairs(text)
        return text

    @model_validator(mode="after")
    def _keeps_headers_to_itself(self) -> Self:
        parts = urlsplit(self.address)
        if self.headers is not None and parts.scheme == "http" and parts.hostname not in _LOCAL:
            message = "headers go to this machine or over https only"
            raise ValueError(message)
        return self

    @property
    def address(self) -> str:
        """Where traces are sent."""
        return self.traces_endpoint or f"{self.endpoint.rstrip('/')}/v1/traces"

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes in `resource`."""
        return _pairs(self.resource)


def headers_in(text: str) -> dict[str, str]:
    """Return the headers that `headers` names, names in lower case."""
    return {name.lower(): value for name, value in _pairs(text).items()}


def _pairs(text: str | None) -> dict[str, str]:
    found = {}
    for one in names_in(text):
        name, equals, value = one.partition("=")
        if not equals or not name.strip() or not value.strip():
            message = "is a list of name=value"
            raise ValueError(message)
        found[unquote(name.strip())] = unquote(value.strip())
    return found
