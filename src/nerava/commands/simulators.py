"""`nerava simulators`: the providers on this machine, for development, demonstration and tests."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nerava.commands.errors import PortTaken
from nerava.commands.opening import refusing, settings_for
from nerava.commands.output import AsJson, Output

if TYPE_CHECKING:
    from nerava.simulators.handle import Simulators

# Under production's rules nothing of a simulator is loaded.
# ruff: noqa: PLC0415

PORT: Final = 4010
ADDRESS: Final = "Where {} webhooks go; without it they wait in the queue."


def simulators_command(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = PORT,
    seed: Annotated[int, typer.Option(help="All ids, secrets and random faults come from it.")] = 1,
    stripe_webhooks: Annotated[str | None, typer.Option(help=ADDRESS.format("Stripe's"))] = None,
    connect_webhooks: Annotated[str | None, typer.Option(help=ADDRESS.format("connected accounts'"))] = None,
    square_webhooks: Annotated[str | None, typer.Option(help=ADDRESS.format("Square's"))] = None,
    smartcar_webhooks: Annotated[str | None, typer.Option(help=ADDRESS.format("Smartcar's"))] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate the providers on 127.0.0.1 until Ctrl-C. No money moves, nothing leaves this machine."""
    out = Output(as_json=as_json)
    addresses = {
        "stripe": stripe_webhooks,
        "stripe_connect": connect_webhooks,
        "square": square_webhooks,
        "smartcar": smartcar_webhooks,
    }
    with refusing(out):
        _refuse_production()
        from nerava.simulators.serving import open_simulators

        try:
            simulators, server, listening = open_simulators(
                seed=seed,
                port=port,
                webhooks_to={name: address for name, address in addresses.items() if address},
            )
        except OSError as error:
            message = f"127.0.0.1:{port}: {error.strerror or error}"
            raise PortTaken(message) from None
        seller = simulators.square.add_seller()
        simulators.start()
        try:
            with server.capture_signals():
                _announce(out, simulators, seller)
                server.run(sockets=[listening])
        finally:
            simulators.stop()
            listening.close()


def _refuse_production() -> None:
    from nerava.commands.errors import NoSimulators

    if os.environ.get("NERAVA_ENV") in {"production", "staging"} or settings_for(None).is_strict:
        raise NoSimulators


def _announce(out: Output, simulators: Simulators, seller: dict[str, str]) -> None:
    base, webhooks = simulators.base_url, simulators.webhooks
    document = {
        "stripe": {
            "base_url": simulators.url_of("stripe"),
            "key": simulators.stripe.key,
            "webhook_secret": webhooks.secret("stripe"),
            "connect_webhook_secret": webhooks.secret("stripe_connect"),
        },
        "square": {
            "base_url": simulators.url_of("square"),
            "application_id": simulators.square.application,
            "application_secret": simulators.square.application_secret,
            "webhook_signature_key": webhooks.secret("square"),
            "access_token": seller["access_token"],
            "till": f"{base}/square/till/{seller['location_id']}",
        },
        "twilio": {
            "base_url": simulators.url_of("twilio-api"),
            "verify_base_url": simulators.url_of("twilio-verify"),
            "account": simulators.twilio.account,
            "key": simulators.twilio.login[0],
            "secret": simulators.twilio.login[1],
            "verify_service": simulators.twilio.service,
            "webhook_secret": simulators.twilio.token,
            "phones": f"{base}/twilio-api/inbox",
        },
        "ses": {
            "base_url": simulators.url_of("ses"),
            "key": simulators.mail.login[0],
            "secret": simulators.mail.login[1],
            "topic": simulators.mail.topic,
            "mailboxes": f"{base}/ses/mailbox",
        },
        "sendgrid": {
            "base_url": simulators.url_of("sendgrid"),
            "key": simulators.mail.sendgrid_key,
            "webhook_key": simulators.mail.sendgrid_public_key,
        },
        "hubspot": {
            "base_url": simulators.url_of("hubspot"),
            "token": simulators.hubspot.token,
            "portal": simulators.hubspot.portal,
        },
        "smartcar": {
            "base_url": base,
            "client_id": simulators.smartcar.client_id,
            "client_secret": simulators.smartcar.client_secret,
            "webhook_token": simulators.smartcar.management_token,
        },
        "nlr": {"base_url": simulators.url_of("nlr"), "key": simulators.nlr.key},
        "ocm": {"base_url": simulators.url_of("ocm"), "key": simulators.ocm.key},
        "places": {"base_url": simulators.url_of("places"), "key": simulators.places.key},
        **_grid(simulators),
        **_wallets(simulators),
        "ocpi": {
            f"operator_{number}": f"{simulators.url_of('cpo')}/{number}/versions" for number in ("1", "2")
        },
        "control": {"base_url": f"{base}/_sim", "token": simulators.control_token},
    }
    out.say(f"[bold]Simulators serve on {base}[/bold]  (Ctrl-C ends them)")
    if not out.as_json:
        for name, facts in document.items():
            typer.echo(f"\n{name}")
            for what, value in facts.items():
                shown = value if value.isprintable() else "(several lines; with --json)"
                typer.echo(f"  {what:<24}{shown}")
    out.document(document)
    sys.stdout.flush()  # whoever started this in a pipe waits for the addresses


def _wallets(simulators: Simulators) -> dict[str, dict[str, str]]:
    """Return what connects to the wallets of phones."""
    apple, google = simulators.apple, simulators.google
    paper = apple.paper()
    return {
        "apple_wallet": {
            "base_url": simulators.url_of("apns"),
            "pass_type": apple.pass_type,
            "team": apple.team,
            "certificate": paper.certificate,
            "intermediate": paper.intermediate,
            "key": paper.key,
        },
        "google_wallet": {
            "base_url": simulators.url_of("gwallet"),
            "issuer_id": google.issuer_id,
            "account": google.account,
            "key": google.key,
            "passes": f"{simulators.url_of('gwallet')}/passes",
        },
    }


def _grid(simulators: Simulators) -> dict[str, dict[str, str]]:
    """Return what connects to the four that know the grid."""
    found = {
        name: {"base_url": simulators.url_of(name), "key": simulators.grid.key(name)}
        for name in ("watttime", "emaps", "eia", "urdb")
    }
    found["watttime"]["username"] = simulators.grid.username
    return found
