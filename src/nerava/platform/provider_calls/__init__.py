"""Every kind of call to another machine: how long, how often, what is kept of it and under which terms.

`docs/outbound.md` is these rows as a table (`python -m tools.outbound_table`); a test keeps them equal.
"""

from nerava.platform.provider_calls import directories, evidence, house, messages, money
from nerava.platform.provider_calls.directories import (
    BULK_BYTES_MAX,
    EIA_READ,
    EMAPS_READ,
    NLR_BULK,
    NLR_NEAREST,
    NLR_STATION,
    OCM_POINTS,
    OVERPASS,
    PLACES_DETAILS,
    PLACES_PHOTO,
    PLACES_SEARCH,
    URDB_READ,
    WATTTIME_READ,
)
from nerava.platform.provider_calls.evidence import (
    OCPI_READ,
    OCPI_WRITE,
    SMARTCAR_DISCONNECT,
    SMARTCAR_GRANT,
    SMARTCAR_SIGNALS,
    SMARTCAR_SUBSCRIPTIONS,
    SMARTCAR_TOKEN,
)
from nerava.platform.provider_calls.house import SECRETS_READ, TELEMETRY_PUSH
from nerava.platform.provider_calls.messages import (
    APNS_PUSH,
    GWALLET_WRITE,
    HUBSPOT_EVENTS,
    HUBSPOT_FORGET,
    HUBSPOT_UPSERT,
    SENDGRID_SEND,
    SES_SEND,
    SMTP_SEND,
    SNS_CERTIFICATE,
    SNS_CONFIRM,
    TWILIO_CHECK,
    TWILIO_MESSAGE,
    TWILIO_START,
    WEBHOOK_SEND,
)
from nerava.platform.provider_calls.money import (
    SQUARE_GRANT,
    SQUARE_READ,
    SQUARE_WRITE,
    STRIPE_READ,
    STRIPE_WRITE,
)
from nerava.platform.provider_calls.row import ProviderCall


def every_call() -> tuple[ProviderCall, ...]:
    """Return all of them, group by group, in the order in which they are written."""
    groups = (directories, evidence, money, messages, house)
    return tuple(one for group in groups for one in vars(group).values() if isinstance(one, ProviderCall))


__all__ = [
    "APNS_PUSH",
    "BULK_BYTES_MAX",
    "EIA_READ",
    "EMAPS_READ",
    "GWALLET_WRITE",
    "HUBSPOT_EVENTS",
    "HUBSPOT_FORGET",
    "HUBSPOT_UPSERT",
    "NLR_BULK",
    "NLR_NEAREST",
    "NLR_STATION",
    "OCM_POINTS",
    "OCPI_READ",
    "OCPI_WRITE",
    "OVERPASS",
    "PLACES_DETAILS",
    "PLACES_PHOTO",
    "PLACES_SEARCH",
    "SECRETS_READ",
    "SENDGRID_SEND",
    "SES_SEND",
    "SMARTCAR_DISCONNECT",
    "SMARTCAR_GRANT",
    "SMARTCAR_SIGNALS",
    "SMARTCAR_SUBSCRIPTIONS",
    "SMARTCAR_TOKEN",
    "SMTP_SEND",
    "SNS_CERTIFICATE",
    "SNS_CONFIRM",
    "SQUARE_GRANT",
    "SQUARE_READ",
    "SQUARE_WRITE",
    "STRIPE_READ",
    "STRIPE_WRITE",
    "TELEMETRY_PUSH",
    "TWILIO_CHECK",
    "TWILIO_MESSAGE",
    "TWILIO_START",
    "URDB_READ",
    "WATTTIME_READ",
    "WEBHOOK_SEND",
    "ProviderCall",
    "every_call",
]
