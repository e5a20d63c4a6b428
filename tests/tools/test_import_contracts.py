"""Each import contract of pyproject.toml catches what it is for, in a small house of empty modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
    "importlinter"
]["contracts"]
COMMAND = Path(sys.executable).with_name("lint-imports")

BREACHES = [
    ("layers", "nerava.kernel.money", "nerava.ledger"),
    ("layers", "nerava.charging.service", "nerava.rewards"),
    ("layers", "nerava.ledger.service", "nerava.settings"),
    ("layers", "nerava.drivers.service", "nerava.vehicles"),
    ("layers", "nerava.web.pages", "nerava.app"),
    ("pure-kernel", "nerava.kernel.money", "sqlalchemy"),
    ("pure-kernel", "nerava.kernel.clock", "socket"),
    ("who-talks-http", "nerava.rewards.service", "httpx2"),
    ("who-talks-http", "nerava.web.pages", "requests"),
    ("independent-integrations", "nerava.integrations.stripe", "nerava.integrations.square"),
    ("private-ledger", "nerava.rewards.service", "nerava.ledger.model"),
    ("private-ledger", "nerava.bench.ledger", "nerava.ledger.writer"),
    ("who-uses-redis", "nerava.platform.limits", "redis"),
    ("who-uses-redis", "nerava.charging.service", "dogpile"),
    ("money-without-cache", "nerava.ledger.service", "nerava.platform.cache"),
    ("money-without-cache", "nerava.platform.limits", "nerava.platform.cache"),
    ("no-cycles", "nerava.charging.service", "nerava.charging.queries"),
]
"""The contract, the module that breaks it, and what it must not import."""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house with every floor and every module that the contracts name, all empty and all in order."""
    package = tmp_path / "nerava"
    by_id = {one["id"]: one for one in CONTRACTS}
    floors = [name.strip(" ()") for layer in by_id["layers"]["layers"] for name in layer.split("|")]
    for floor in floors:
        (package / floor).mkdir(parents=True)
        (package / floor / "__init__.py").touch()
    (package / "__init__.py").touch()
    for module in by_id["private-ledger"]["protected_modules"]:
        package.joinpath(*module.split(".")[1:]).with_suffix(".py").touch()
    (package / "integrations" / "square.py").touch()
    (package / "platform" / "cache").mkdir()
    (package / "platform" / "cache" / "__init__.py").touch()
    (package / "platform" / "cache" / "link.py").write_text("import dogpile\nimport redis\n", "utf-8")
    for name in ("idempotency", "limits"):
        (package / "platform" / f"{name}.py").touch()
    (package / "integrations" / "osm.py").write_text("import httpx2\n", "utf-8")
    (package / "charging" / "queries.py").write_text("import nerava.charging.service\n", "utf-8")
    (package / "charging" / "service.py").touch()
    (package / "ledger" / "reads.py").write_text("import nerava.ledger.model\n", "utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def verdicts(house: Path) -> dict[str, str]:
    """Return what lint-imports says of each broken contract, by its id; nothing for a house in order."""
    done = subprocess.run(
        [COMMAND, "--no-cache"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    summary, _, details = done.stdout.partition("Broken contracts")
    assert "Contracts: " in summary, done.stdout + done.stderr
    said: dict[str, str] = {}
    for contract in CONTRACTS:
        if f"{contract['name']} BROKEN" in summary:
            _, _, rest = details.partition(contract["name"])
            others = [rest.find(other["name"]) for other in CONTRACTS if other["name"] in rest]
            said[contract["id"]] = rest[: min(others, default=len(rest))]
    assert done.returncode == (1 if said else 0)
    return said


def spelled(module: str, imported: str) -> list[tuple[str, str]]:
    """Return how lint-imports may write an import; among siblings it leaves out the parent."""
    siblings = tuple("." + name.rpartition(".")[2] for name in (module, imported))
    return [(module, imported), (siblings[0], siblings[1])]


def test_a_house_in_order_breaks_no_contract(house: Path) -> None:
    assert verdicts(house) == {}


def test_every_contract_catches_what_breaks_it(house: Path) -> None:
    for _, module, imported in BREACHES:
        path = house.joinpath(*module.split(".")).with_suffix(".py")
        with path.open("a", encoding="utf-8") as file:
            file.write(f"import {imported}\n")

    said = verdicts(house)

    assert {contract for contract, _, _ in BREACHES} == {one["id"] for one in CONTRACTS}
    assert [
        (contract, module, imported)
        for contract, module, imported in BREACHES
        if not any(f"{one} -> {other}" in said.get(contract, "") for one, other in spelled(module, imported))
    ] == []


def test_a_floor_without_a_place_is_caught(house: Path) -> None:
    (house / "nerava" / "nowhere").mkdir()
    (house / "nerava" / "nowhere" / "__init__.py").touch()

    assert "nowhere" in verdicts(house)["layers"]
