"""Runs every check; nothing switches one off, and one that fails does not hide another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.kernel.clock import SystemClock
from nerava.startup_checks import (
    addresses,
    database,
    exposure,
    limits,
    machine,
    profile,
    providers,
    redis_server,
    secret_values,
    signing_keys,
    sqlite_file,
)
from nerava.startup_checks.deadline import within
from nerava.startup_checks.findings import DATABASE_URL, ConfigurationRefused, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.settings import Settings
    from nerava.startup_checks.findings import Process


def check_start(settings: Settings, process: Process, arguments: Sequence[str] = ()) -> None:
    """Check that `serve` or `work` may start under these settings. Creates nothing, opens no port.

    Args:
        settings: All of them.
        process: Which of the two it is.
        arguments: The command line, in which no secret may stand.

    Raises:
        ConfigurationRefused: With everything that forbids it.
    """
    findings = [
        *profile.profile(settings),
        *profile.interpreter(),
        *profile.logging(settings),
        *secret_values.secret_values(settings),
        *secret_values.one_source(settings),
        *secret_values.arguments(settings, arguments),
        *signing_keys.signing_keys(settings),
        *signing_keys.issuer_is_named(settings),
        *addresses.issuer_address(settings),
        *addresses.browser_origins(settings),
        *addresses.sign_in_addresses(settings),
        *exposure.exposure(settings),
        *exposure.metrics(settings),
        *providers.providers(settings),
        *redis_server.redis_server(settings),
        *limits.limits(settings),
        *limits.proxies(settings),
        *machine.machine(settings),
        *sqlite_file.placement(settings, process),
        *database.explicit(settings),
        *database.database(settings, SystemClock().now()),
    ]
    if findings:
        raise ConfigurationRefused(findings)


def check_books(settings: Settings) -> None:
    """Check that the last blocks of the books are what was sealed, and that our role cannot change them.

    Comes after `check_start`, because it needs the ledger, which takes a second to load.

    Raises:
        ConfigurationRefused: They are not, or it can.
    """
    from nerava.startup_checks import books  # noqa: PLC0415 - loads the ledger; refusals come before that

    late = Finding(DATABASE_URL, "the last blocks of the books could not be read in time")
    if findings := within(lambda: books.books(settings), late):
        raise ConfigurationRefused(findings)
