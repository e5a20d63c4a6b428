"""S24: nothing is installed that is not pinned by its hash, and all of it is known by name, version and licence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tools.bill_of_materials import ELSEWHERE, LOCK, components

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-image.lock", "requirements-setup.lock")
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|MPL|Mozilla Public License 2\.0|LGPL-3\.0-only"  # psycopg: used as it is, unchanged
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip())
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+( ; [^-]+)?\s+--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_what_the_product_declares_is_locked_and_what_is_locked_is_installed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {canonical(re.split(r"[\[>=<;\s]", one)[0]) for one in declared}
    locked = {canonical(one["name"]): one["version"] for one in components(LOCK.read_text())}
    assert names <= set(locked)
    installed = {name: metadata.version(name) for name in locked if name not in ELSEWHERE}
    assert installed == {name: version for name, version in locked.items() if name not in ELSEWHERE}


def test_the_bill_of_materials_names_version_hashes_and_a_free_licence_of_everything() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tools.bill_of_materials"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    bill = json.loads(printed.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert len(bill["components"]) > 30
    for one in bill["components"]:
        assert one["hashes"], one["name"]
        licence = one["licenses"][0]["license"]["name"]
        assert one["name"] in ELSEWHERE or FREE.search(licence), (one["name"], licence)


@pytest.mark.chaos  # twenty seconds; `make lint` asks the same and more
def test_static_analysis_finds_nothing_high() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-r", "-lll", "-c", "pyproject.toml", "src"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
