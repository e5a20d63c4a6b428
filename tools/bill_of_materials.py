"""Prints what an installation is made of, as CycloneDX 1.5: `python -m tools.bill_of_materials`."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "requirements.lock"
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)([^\\]*)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
ELSEWHERE: Final = {"async-timeout", "colorama", "httpx2-jsfetch"}
"""What the lock names for other machines or older Pythons than this one; it is not installed here."""


def components(lock: str) -> list[dict[str, Any]]:
    """Return every pinned distribution of a lock file with its version, licence and hashes."""
    found: list[dict[str, Any]] = []
    for line in lock.splitlines():
        pinned = _PINNED.match(line)
        if pinned:
            name, version = pinned[1], pinned[2]
            found.append(
                {
                    "type": "library",
                    "name": name,
                    "version": version,
                    "purl": f"pkg:pypi/{name}@{version}",
                    "licenses": [{"license": {"name": licence_of(name)}}],
                    "hashes": [],
                }
            )
        found_hash = _HASH.search(line)
        if found_hash and found:
            found[-1]["hashes"].append({"alg": "SHA-256", "content": found_hash[1]})
    return found


def licence_of(name: str) -> str:
    """Return the licence that a distribution states; empty where it is not installed or states none."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if "License-Expression" in told:
        return told["License-Expression"]
    stated = [one for one in told.get_all("Classifier") or [] if one.startswith("License")]
    if stated:
        return " OR ".join(one.split("::")[-1].strip() for one in stated)
    return told["License"].splitlines()[0] if "License" in told else ""


def main() -> None:
    """Print the bill."""
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": components(LOCK.read_text()),
    }
    json.dump(bill, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
