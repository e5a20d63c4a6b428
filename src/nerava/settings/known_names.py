"""Names that the world has for some settings already, such as `OTEL_SERVICE_NAME`; ours come first."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from pydantic_settings import PydanticBaseSettingsSource

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

log = logging.getLogger(__name__)

KNOWN_NAMES: Final = {
    "SECRETS_PROVIDER": ("secrets", "provider"),
    "METRICS_ENABLED": ("metrics", "enabled"),
    "METRICS_TOKEN": ("metrics", "token"),
    "OTEL_ENABLED": ("tracing", "enabled"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "endpoint"),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("tracing", "traces_endpoint"),
    "OTEL_EXPORTER_OTLP_HEADERS": ("tracing", "headers"),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("tracing", "protocol"),
    "OTEL_SERVICE_NAME": ("tracing", "service_name"),
    "OTEL_RESOURCE_ATTRIBUTES": ("tracing", "resource"),
    "OTEL_TRACES_SAMPLER_ARG": ("tracing", "sample_ratio"),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("tracing", "queue_spans"),
}
"""By variable: the group and the setting in it. Each is told in the meaning of the setting."""


INHERITED: Final = {
    "NREL_API_KEY": ("nlr", "key"),
    "SMARTCAR_CLIENT_ID": ("smartcar", "client_id"),
    "SMARTCAR_CLIENT_SECRET": ("smartcar", "client_secret"),
    "STRIPE_SECRET_KEY": ("stripe", "key"),
    "STRIPE_WEBHOOK_SECRET": ("stripe", "webhook_secrets"),
}
"""Names of an earlier product: they are read, and a warning says what they are called now."""


class KnownNames(PydanticBaseSettingsSource):
    """Reads the variables above; one that is empty counts as missing, as OpenTelemetry has it."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's
        """Return nothing: the settings come by groups."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what is set, by group."""
        found: dict[str, Any] = {}
        for variable, (group, name) in KNOWN_NAMES.items():
            value = os.environ.get(variable, "").strip()
            if value:
                found.setdefault(group, {})[name] = value
        for variable, (group, name) in INHERITED.items():
            value, ours = os.environ.get(variable, "").strip(), f"NERAVA_{group}__{name}".upper()
            if value and ours not in os.environ:
                log.warning("%s is read for %s, which is its name now", variable, ours)
                found.setdefault(group, {})[name] = value
        return found
