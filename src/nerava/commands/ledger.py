"""`nerava ledger`: prove it, seal it, read it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nerava.commands.errors import FileUnusable
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import EXIT_BROKEN, AsJson, Output
from nerava.ledger.audit import CHECKS, Check, audit
from nerava.ledger.sealing import Anchor, anchors, seal_batches, seal_day
from nerava.ledger.verify import verify
from nerava.web.checks import CHECKS as DOMAIN_CHECKS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger.findings import Finding

app = typer.Typer(no_args_is_help=True, help="The money core: prove it, seal it, read it.")


@app.command("audit")
def audit_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check every invariant of the ledger; exit with 1 if any is broken."""
    out = Output(as_json=as_json)
    results: list[tuple[Check, int]] = []
    total = len(CHECKS) + len(DOMAIN_CHECKS)
    with opened(out, database) as installation, out.progress("auditing", total) as done:

        def count(check: Check, found: int) -> None:
            results.append((check, found))
            done(len(results))

        findings = installation.database.read(
            lambda session: audit(session, DOMAIN_CHECKS, on_check=count), patient=True
        )
    out.table(
        "Ledger audit", ("check", "promise", "result"), [(c.name, c.promise, _mark(n)) for c, n in results]
    )
    conclude(
        out, findings, f"clean: {total} checks", checks=[(check.name, found) for check, found in results]
    )


@app.command("verify")
def verify_command(
    anchor: Annotated[
        Path | None, typer.Option(help="Anchors kept outside, as `nerava ledger seal` wrote them.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compute the whole hash chain again; exit with 1 if a row, a batch or a block differs."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        kept = _read_anchors(anchor)
        with out.progress("verifying transfers") as done:
            findings = installation.database.read(
                lambda session: verify(session, kept, on_progress=done), patient=True
            )
        heads = installation.database.read(anchors)
    conclude(
        out,
        findings,
        "whole: "
        + (", ".join(f"{one.lane} at block {one.height:,}" for one in heads) or "nothing was sealed yet"),
        heads=[anchor_document(one) for one in heads],
    )


@app.command("seal")
def seal_command(
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the anchors here, to be kept elsewhere.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Link what is committed into the hash chain and write today's seal. Repeats safely."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        now = installation.clock.now()

        def work(session: Session) -> list[Anchor]:
            while seal_batches(session):
                pass
            seal_day(session, now)
            return anchors(session)

        heads = installation.database.run(work, repeatable=True)
        if out_file is not None:
            _write_anchors(out_file, heads)
    if heads:
        out.table(
            "Head of the chain",
            ("lane", "block", "transfers", "hash"),
            [(h.lane, h.height, h.transfers, h.hash) for h in heads],
        )
    else:
        out.say("Nothing was posted yet: there is nothing to seal")
    out.document([anchor_document(one) for one in heads])


@app.command("statement")
def statement_command(
    code: Annotated[str, typer.Argument(help="Account, for example nova:reserve.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many transfers.")] = 20,
    at: Annotated[datetime | None, typer.Option(help="Show the balance as it was known then, UTC.")] = None,
    oldest_first: Annotated[bool, typer.Option(help="From the beginning.")] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account holds and how it came to it."""
    from datetime import UTC  # noqa: PLC0415 - typer reads the annotations of this module

    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        ledger = installation.ledger
        balance = ledger.balance(code) if at is None else ledger.balance_at(code, at.replace(tzinfo=UTC))
        lines = ledger.statement(code, limit=limit, newest_first=not oldest_first)
    out.table(
        f"{code}: {balance.posted:,} {balance.asset}, {balance.available:,} available",
        ("#", "posted at, UTC", "what, and the other side", "change", "balance", "available"),
        [
            (
                one.sequence,
                f"{one.posted_at:%Y-%m-%d %H:%M:%S}",
                f"{one.template}, {one.kind}\n{one.counterparty}",
                one.change,
                one.posted,
                one.available,
            )
            for one in lines
        ],
    )
    out.document(
        {
            "code": code,
            "asset": balance.asset,
            "posted": balance.posted,
            "available": balance.available,
            "sequence": balance.sequence,
            "transfers": [{name: getattr(one, name) for name in one.__slots__} for one in lines],
        }
    )


def _mark(found: int) -> str:
    return "ok" if found == 0 else f"{found} BROKEN"


def conclude(out: Output, findings: list[Finding], clean: str, **facts: object) -> None:
    """Say what was found, and end with status 1 if that is anything."""
    out.document(
        {
            "clean": not findings,
            **facts,
            "findings": [
                {"check": one.check, "subject": one.subject, "detail": one.detail} for one in findings
            ],
        }
    )
    if not findings:
        out.say(f"[green]{clean}[/green]")
        return
    out.table(
        "Broken", ("check", "subject", "what is wrong"), [(f.check, f.subject, f.detail) for f in findings]
    )
    raise typer.Exit(EXIT_BROKEN)


def _write_anchors(path: Path, heads: list[Anchor]) -> None:
    try:
        path.write_text(json.dumps([anchor_document(one) for one in heads], indent=2) + "\n", "utf-8")
    except OSError as error:
        message = f"the anchors cannot be written to {path}: {error.strerror or error}"
        raise FileUnusable(message) from None


def _read_anchors(path: Path | None) -> list[Anchor]:
    if path is None:
        return []
    try:
        return [Anchor(**one) for one in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        message = f"{path} holds no anchors as `nerava ledger seal --out` writes them: {error}"
        raise FileUnusable(message) from error


def anchor_document(one: Anchor) -> dict[str, object]:
    """Return the head of a lane's chain, fit for JSON; `Anchor(**document)` brings it back."""
    return {"lane": one.lane, "height": one.height, "hash": one.hash, "transfers": one.transfers}
