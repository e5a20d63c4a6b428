"""The simulated provider of a demo: runs in its process, and goes on the next time where it was."""

from __future__ import annotations

import logging
import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from nerava.settings import SmartcarSettings, SquareSettings, StripeSettings
from nerava.simulators.serving import running_simulators

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nerava.simulators.handle import Simulators

FILE: Final = "stripe.json"
WRITTEN_EVERY_S: Final = 1.0


@contextmanager
def running_provider(folder: Path, address: str) -> Iterator[Simulators]:
    """Run simulated providers that tell the server at `address` what happens; Stripe pays at once.

    What Stripe believes is written to the folder once a second, so that a demo that is killed loses little.

    Raises:
        LooksLive: The environment holds what looks like a live key (409).
        NotPossible: The file of an earlier demo is damaged (409).
    """
    hooks = dict.fromkeys(("stripe", "stripe_connect"), f"{address}/webhooks/stripe")
    hooks |= {name: f"{address}/webhooks/{name}" for name in ("smartcar", "square")}
    # Another seed each time: what this run makes must not have the ids of what an earlier one made.
    with running_simulators(seed=secrets.randbits(63), webhooks_to=hooks, by_hand=True) as simulators:
        file = folder / FILE
        if file.exists():
            simulators.take_up(file.read_text("utf-8"))
        simulators.stripe.behave(settle_days=0, payout_days=0, bank_debit_days=0)
        ended = threading.Event()
        writer = threading.Thread(target=_keep, args=(simulators, file, ended), name="provider", daemon=True)
        writer.start()
        try:
            yield simulators
        finally:
            ended.set()
            writer.join()
            # The product's own server is over; how that of the simulators ends is nobody's business.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


def settings_of(simulators: Simulators) -> StripeSettings:
    """Return the settings that connect an installation to a simulated Stripe."""
    return StripeSettings(
        mode="simulator",
        key=SecretStr(simulators.stripe.key),
        base_url=simulators.url_of("stripe"),
        webhook_secrets=SecretStr(simulators.webhooks.secret("stripe")),
        connect_webhook_secrets=SecretStr(simulators.webhooks.secret("stripe_connect")),
    )


def cars_of(simulators: Simulators) -> SmartcarSettings:
    """Return the settings that connect an installation to a simulated Smartcar."""
    return SmartcarSettings(
        mode="simulator",
        client_id=simulators.smartcar.client_id,
        client_secret=SecretStr(simulators.smartcar.client_secret),
        webhook_secrets=SecretStr(simulators.smartcar.management_token),
        base_url=simulators.base_url,
    )


def sellers_of(simulators: Simulators, address: str) -> SquareSettings:
    """Return the settings that connect an installation at an address to a simulated Square."""
    return SquareSettings(
        mode="simulator",
        client_id=simulators.square.application,
        client_secret=SecretStr(simulators.square.application_secret),
        webhook_secrets=SecretStr(simulators.webhooks.secret("square")),
        webhook_url=f"{address}/webhooks/square",
        base_url=simulators.url_of("square"),
    )


def _keep(simulators: Simulators, file: Path, ended: threading.Event) -> None:
    written = ""
    while True:
        is_over = ended.wait(WRITTEN_EVERY_S)
        text = simulators.put_down()
        if text != written:
            draft = file.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(text, "utf-8")
            draft.replace(file)
            written = text
        if is_over:
            return
