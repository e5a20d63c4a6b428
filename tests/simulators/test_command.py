"""`nerava simulators` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.commands.conftest import Run, run

__all__ = ["run"]


@contextmanager
def started(folder: Path, *arguments: str, **environment: str) -> Iterator[Any]:
    """Start the command as a process of its own and yield what it prints; Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nerava", "simulators", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    assert process.stdout is not None
    text = ""
    try:
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, f"it ended: {text}"
            text += line
        yield json.loads(text)
        process.terminate()
        assert process.wait(10) in {0, -15}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_prints_addresses_and_keys_that_work(tmp_path: Path) -> None:
    with started(tmp_path, "--seed", "9", "--square-webhooks", "http://127.0.0.1:9/hook") as told:
        headers = {"authorization": f"Bearer {told['stripe']['key']}"}
        assert httpx2.get(f"{told['stripe']['base_url']}/v1/balance", headers=headers).status_code == 200
        assert httpx2.get(told["square"]["till"]).status_code == 200
        headers = {"authorization": f"Bearer {told['control']['token']}"}
        assert httpx2.get(f"{told['control']['base_url']}/faults", headers=headers).json() == {"faults": []}
        assert told["stripe"]["webhook_secret"].startswith("whsec_")
        asked = httpx2.post(
            f"{told['smartcar']['base_url']}/smartcar-iam/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": told["smartcar"]["client_id"],
                "client_secret": told["smartcar"]["client_secret"],
            },
        )
        assert asked.status_code == 200
        stations = f"{told['nlr']['base_url']}/api/alt-fuel-stations/v1/last-updated.json"
        assert httpx2.get(stations, headers={"x-api-key": told["nlr"]["key"]}).status_code == 200
        assert told["ocpi"]["operator_1"].endswith("/cpo/1/versions")


@pytest.mark.parametrize("profile", ["production", "staging"])
def test_production_has_no_simulators(run: Run, monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    monkeypatch.setenv("NERAVA_ENV", profile)
    refused = run("simulators")
    assert refused.exit_code == 2
    assert "no simulators in production" in refused.output


def test_nothing_starts_beside_a_live_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_" + "live_51abc")
    refused = run("simulators", "--port", "0")
    assert refused.exit_code == 2
    assert "STRIPE_SECRET_KEY" in refused.output
    assert "51abc" not in refused.output


def test_a_taken_port_is_said(run: Run) -> None:
    from nerava.simulators.serving import listen  # noqa: PLC0415 - next to its use

    with listen(0) as taken:
        refused = run("simulators", "--port", str(taken.getsockname()[1]))
    assert refused.exit_code == 2
    assert "taken" in refused.output


ASKED = """
import sys
from nerava.__main__ import app
try:
    app(["simulators"])
except SystemExit as ended:
    print(ended.code)
print([name for name in sys.modules if name.startswith("nerava.simulators")])
"""


def test_production_loads_no_simulator_to_refuse_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "NERAVA_ENV": "production", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines() == ["2", "[]"], done.stderr
