"""`nerava audit`: prove the audit log, sign its head, read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerava.audit.queries import Wanted, entries
from nerava.audit.sealing import Anchor, anchors, head, sign_hour
from nerava.audit.signing import SealKey
from nerava.audit.verify import verify
from nerava.commands.errors import FileUnusable
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import EXIT_BROKEN, AsJson, Output
from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from nerava.ledger.findings import Finding

app = typer.Typer(no_args_is_help=True, help="Who did what: prove it, sign it, read it.")


@app.command("verify")
def verify_command(
    anchor: Annotated[
        Path | None, typer.Option(help="Anchors kept outside, as `nerava audit anchor` wrote them.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compute the whole chain again; exit with 1 and the first bad row if anything differs."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        kept = _read_anchors(anchor)
        keys = [SealKey(one) for one in installation.secrets.accepted(SecretKind.SEAL)]
        with out.progress("verifying entries") as done:
            findings = installation.database.read(
                lambda session: verify(session, keys, kept, on_progress=done), patient=True
            )
        height, current = installation.database.read(head)
    out.document(
        {
            "clean": not findings,
            "height": height,
            "hash": current.hex(),
            "first": None if not findings else findings[0].subject,
            "findings": [_finding(one) for one in findings],
        }
    )
    if findings:
        out.say(f"[red]first bad row: {findings[0].subject}[/red]")
        rows = [(one.check, one.subject, one.detail) for one in findings]
        out.table("Broken", ("check", "row", "what is wrong"), rows)
        raise typer.Exit(EXIT_BROKEN)
    out.say(f"[green]whole: {height:,} entries in the chain[/green]")


@app.command("anchor")
def anchor_command(
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write every anchor here, to be kept on another machine.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Link what waits, sign the head for this hour, and hand out the anchors. Repeats safely."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        key, now = SealKey(installation.secrets.get(SecretKind.SEAL)), installation.clock.now()
        installation.database.run(lambda session: sign_hour(session, key, now), essential=True)
        kept = installation.database.read(anchors)
        if out_file is not None:
            _write_anchors(out_file, kept)
    out.table(
        "Anchors",
        ("hour, UTC", "entries", "hash", "key"),
        [(one.hour, one.height, one.hash, one.key_id) for one in kept[-24:]],
    )
    out.document([_anchor(one) for one in kept])


@app.command("show")
def show_command(
    action: Annotated[str | None, typer.Option(help="Only this action, for example switch.on.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this actor did.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many entries.")] = 20,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, the newest first."""
    out = Output(as_json=as_json)
    wanted = Wanted(action=action, actor_id=actor)
    with opened(out, database) as installation:
        found = installation.database.read(lambda session: entries(session, wanted, limit=limit))
    out.table(
        "Audit log",
        ("at, UTC", "who", "what", "to what", "result", "why"),
        [
            (
                f"{one.at:%Y-%m-%d %H:%M:%S}",
                f"{one.role or one.actor_kind}\n{one.actor_id}",
                one.action,
                f"{one.object_kind}\n{one.object_id}",
                one.result,
                one.reason or "",
            )
            for one in found
        ],
    )
    out.document([{name: getattr(one, name) for name in one.__slots__} for one in found])


def _finding(one: Finding) -> dict[str, str]:
    return {"check": one.check, "subject": one.subject, "detail": one.detail}


def _anchor(one: Anchor) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}


def _write_anchors(path: Path, kept: list[Anchor]) -> None:
    try:
        path.write_text(json.dumps([_anchor(one) for one in kept], indent=2) + "\n", "utf-8")
    except OSError as error:
        message = f"the anchors cannot be written to {path}: {error.strerror or error}"
        raise FileUnusable(message) from None


def _read_anchors(path: Path | None) -> list[Anchor]:
    if path is None:
        return []
    try:
        return [Anchor.read(**one) for one in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        message = f"{path} holds no anchors as `nerava audit anchor --out` writes them: {error}"
        raise FileUnusable(message) from error
