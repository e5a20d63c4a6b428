"""`nerava keys`: the signing keys of access tokens, and the keys under which values are sealed."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nerava.commands.opening import DatabaseUrl, opened, refusing
from nerava.commands.output import AsJson, Output
from nerava.identity.keys import KeyRing, read_keys
from nerava.kernel.clock import SystemClock
from nerava.startup_checks import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.installation import Installation
    from nerava.platform.key_rotation import KeyRotator, Rotated

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Keys: of access tokens (new), of sealed values (rotate).",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what there is to do.")]
Batch = Annotated[int, typer.Option(min=1, max=5_000, help="Values and keys per transaction.")]
Patience = Annotated[
    int, typer.Option(min=0, max=3_600, help="PostgreSQL: wait for open transactions, in seconds.")
]
NOT_OVER = 3
"""Exit code of a rotation that has to be gone on with."""


@app.callback()
def keys() -> None:
    """Keys: of access tokens, and of sealed values."""


@app.command("new")
def new_command(as_json: AsJson = False) -> None:
    """Make a signing key: the first one, or the next, which signs from 15 minutes on."""
    out = Output(as_json=as_json)
    with refusing(out):
        folder = load_settings().tokens.keys_directory
        made = KeyRing(folder, SystemClock()).rotate()
    out.say(f"key {made.kid} of {len(read_keys(folder))} in {folder}")
    out.document({"kid": made.kid})


@app.command("rotate")
def rotate_command(
    database: DatabaseUrl = None,
    dry_run: DryRun = False,
    batch: Batch = 200,
    patience: Patience = 60,
    as_json: AsJson = False,
) -> None:
    """Replace the keys under which contacts, tokens and the like are sealed, while everybody goes on.

    Interrupted anywhere, the same command goes on where it was.
    """
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        rotator = _rotator(installation, batch, patience)
        if dry_run:
            done = rotator.plan()
        else:
            done = rotator.run(out.step)
            _note(installation, done)
        wrapped = installation.database.read(installation.vault.keys_by_kek)
    _show(out, done, wrapped, dry_run=dry_run)
    if not dry_run and not done.is_over:
        out.say("others kept transactions open for too long; run it again, it goes on where it is")
        raise typer.Exit(NOT_OVER)


def _rotator(installation: Installation, batch: int, patience_s: int) -> KeyRotator:
    from nerava.migrations.tables import metadata  # noqa: PLC0415 - loads every table; making a key needs none
    from nerava.platform.key_rotation import KeyRotator  # noqa: PLC0415 - seldom needed

    return KeyRotator(
        installation.database, installation.vault, metadata(), installation.clock, batch, patience_s
    )


def _note(installation: Installation, done: Rotated) -> None:
    from nerava.audit import ActorKind, Entry  # noqa: PLC0415 - making a key needs no audit log

    entry = Entry(
        actor_kind=ActorKind.SYSTEM,
        actor_id=f"shell:{getpass.getuser()}",
        action="keys.rotated" if done.is_over else "keys.rotation_interrupted",
        object_kind="key_rotation",
        object_id=done.began_at.isoformat(),
        client_kind="cli",
        after={"destroyed": done.destroyed, "kept": done.kept, "renewed": done.renewed},
    )
    installation.database.run(
        lambda session: installation.audit.record(session, entry, installation.clock.now())
    )


def _show(out: Output, done: Rotated, wrapped: Mapping[str, int], *, dry_run: bool) -> None:
    would = " to be" if dry_run else ""
    rows: list[tuple[str, object]] = [
        (f"owners{would} given a new key", done.renewed),
        *((f"{name}{would} sealed again", count) for name, count in sorted(done.sealed.items()) if count),
        ("values that do not open", done.unreadable),
        (f"old keys{would} destroyed", done.destroyed),
        ("old keys kept for what cannot be sealed again", done.kept),
        *((f"data keys wrapped under {kek}", count) for kek, count in sorted(wrapped.items())),
    ]
    began = f"{done.began_at:%Y-%m-%d %H:%M:%S} UTC"
    out.table(
        f"Keys from before {began}" + (", gone on with" if done.goes_on else ""), ("what", "count"), rows
    )
    out.document({**asdict(done), "data_keys_by_kek": dict(wrapped), "dry_run": dry_run})
