"""What goes out to people and partners: codes, mail, records of customers, passes, webhooks."""

from __future__ import annotations

from typing import Final

from nerava.platform.cache import Region
from nerava.platform.outbound import CallPolicy
from nerava.platform.provider_calls.row import HOUR, ProviderCall

TWILIO_START: Final = ProviderCall(
    CallPolicy("twilio start", connect_s=1, read_s=5, total_s=6, is_repeatable=False),
    "service",
    "no codes stored",
    once="per number 30 s",
    kept_elsewhere="60205 for 30 days",
)
TWILIO_CHECK: Final = ProviderCall(
    CallPolicy("twilio check", connect_s=1, read_s=5, total_s=6, attempts=2),
    "service",
    "no codes stored",
    once="per number",
)
TWILIO_MESSAGE: Final = ProviderCall(
    CallPolicy("twilio message", connect_s=1, read_s=5, total_s=6, is_repeatable=False),
    "service",
    "consent log",
    once="by outbox row",
    kept_elsewhere="unsubscribed: until consent",
)
SES_SEND: Final = ProviderCall(
    CallPolicy("ses send", connect_s=1, read_s=5, total_s=6),
    "account",
    "-",
    once="by outbox row",
    kept_elsewhere="suppression list",
    note="mails with codes: 2 attempts",
)
SNS_CERTIFICATE: Final = ProviderCall(
    CallPolicy("sns certificate", connect_s=1, read_s=2, total_s=3, attempts=2, bytes_max=64 * 1_024),
    "host",
    "-",
    once="by certificate",
    kept_elsewhere="in memory for 24 hours",
    note="from SNS in the region of our topic alone",
)
SNS_CONFIRM: Final = ProviderCall(
    CallPolicy("sns confirm", connect_s=1, read_s=5, total_s=6, bytes_max=64 * 1_024),
    "host",
    "-",
    once="by subscription",
    note="for our own topic alone, at an address that we know and not the one in the message",
)
SENDGRID_SEND: Final = ProviderCall(
    CallPolicy("sendgrid send", connect_s=1, read_s=5, total_s=6),
    "account",
    "-",
    once="by outbox row",
    kept_elsewhere="suppression list",
    note="mails with codes: 2 attempts",
)
SMTP_SEND: Final = ProviderCall(
    CallPolicy("smtp send", connect_s=2, read_s=10, total_s=20, is_repeatable=False),
    "host",
    "-",
    once="by outbox row",
    kept_elsewhere="hard bounce: suppression list",
    note="tried again before DATA and after an answer 4xx; mails with codes: 2 attempts",
)
HUBSPOT_UPSERT: Final = ProviderCall(
    CallPolicy("hubspot upsert", connect_s=1, read_s=5, total_s=30),
    "portal",
    "allowed fields only",
    once="by batch",
    kept_elsewhere="ids: in our table of who is there",
    note="a daily limit is waited for in the queue; a bad row is parked",
)
HUBSPOT_FORGET: Final = ProviderCall(
    CallPolicy("hubspot forget", connect_s=1, read_s=5, total_s=30),
    "portal",
    "-",
    once="by person",
    note="who is not there is forgotten",
)
HUBSPOT_EVENTS: Final = ProviderCall(
    CallPolicy("hubspot events", connect_s=1, read_s=5, total_s=30, is_repeatable=False),
    "portal",
    "allowed fields only",
    once="by row",
    note="what may have been told is not told again",
)
APNS_PUSH: Final = ProviderCall(
    CallPolicy("apns push", connect_s=1, read_s=5, total_s=6),
    "host",
    "-",
    once="by pass",
    note="410 deletes the registration",
)
GWALLET_WRITE: Final = ProviderCall(
    CallPolicy("gwallet write", connect_s=1, read_s=5, total_s=6),
    "host",
    "-",
    Region("gwallet-token", "gwallet", "secret", fresh=HOUR, is_shared=False),
    once="by pass",
    note="the token is kept until five minutes before it ends",
)
WEBHOOK_SEND: Final = ProviderCall(
    CallPolicy(
        "webhooks deliver",
        connect_s=1,
        read_s=15,
        total_s=20,
        attempts=1,
        is_repeatable=False,
        waits_when_told=False,
        bytes_max=64 * 1_024,
        gives_way=False,
    ),
    "per endpoint: queue",
    "Standard Webhooks signature",
    once="per endpoint, in order",
    kept_elsewhere="deliveries",
    note="tried again by its schedule of about 3 days; `Retry-After` is obeyed; 410 disables; public "
    "addresses only",
)
