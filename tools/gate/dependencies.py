"""Dependencies: each pinned by its hash and installed as pinned, and none with a known vulnerability."""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from tools.bill_of_materials import ELSEWHERE, components
from tools.gate.verdict import ask, failed, passed, python, skipped

if TYPE_CHECKING:
    from tools.gate.verdict import Asked, Verdict

LOCKS: Final = ("requirements.lock", "requirements-dev.lock", "requirements-setup.lock")
_ENTRY: Final = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^-]+)?\s+--hash=sha256:[0-9a-f]{64}")


def pinned(asked: Asked) -> Verdict:
    """Judge that every requirement is one version with its hashes, and that this is what is installed."""
    wrong: list[str] = []
    for lock in LOCKS:
        text = (asked.root / lock).read_text("utf-8").replace("\\\n", " ")
        entries = [one for one in re.split(r"\n(?=\S)", text.strip()) if not one.startswith("#")]
        if not entries:
            wrong.append(f"{lock}: is empty")
        wrong += [
            f"{lock}: {one.split()[0]} is not pinned by a hash" for one in entries if not _ENTRY.match(one)
        ]
    for one in components((asked.root / LOCKS[0]).read_text("utf-8")):
        if one["name"] not in ELSEWHERE and (there := _installed(one["name"])) != one["version"]:
            wrong.append(f"{one['name']}: {one['version']} is pinned, {there or 'nothing'} is installed")
    return failed(f"{len(wrong)} requirements", "\n".join(wrong)) if wrong else passed()


def vulnerable(asked: Asked) -> Verdict:
    """Judge that no pinned version has a known vulnerability; who knows them is asked for each."""
    lock = str(asked.root / LOCKS[0])
    options = (
        "--disable-pip",
        "--no-deps",
        "--progress-spinner",
        "off",
        "--format",
        "json",
        "--requirement",
        lock,
    )
    ended = ask(asked, python("-m", "pip_audit", *options), timeout_s=300)
    start = ended.said.find('{"dependencies"')
    try:
        report, _ = json.JSONDecoder().raw_decode(ended.said[start:] if start >= 0 else "")
    except ValueError:
        return skipped("the service that knows vulnerabilities does not answer")
    return judged(report)


def judged(report: dict[str, Any]) -> Verdict:
    """Judge a report of pip-audit; a version that was not found there was not looked at."""
    rows: list[dict[str, Any]] = report["dependencies"]
    found = [
        f"{one['name']} {one['version']}: {vulnerability['id']}"
        for one in rows
        for vulnerability in one.get("vulns", [])
    ]
    unknown = [one["name"] for one in rows if "skip_reason" in one]
    if found:
        return failed(f"{len(found)} known vulnerabilities", "\n".join(found))
    if unknown or not rows:
        return skipped(f"{len(unknown)} of {len(rows)} could not be looked up")
    return passed(f"{len(rows)} looked up")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
