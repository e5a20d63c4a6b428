"""Every panel of every dashboard shows something when Prometheus reads the demo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.http.test_serving import free_port, until
from tools import dashboards

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="Prometheus is not installed; Debian's package is prometheus",
    ),
]

PATIENCE_S: Final = 60
SCRAPES: Final = 4
"""So many readings and a rate has something to say."""

QUERIES: Final = {
    f"{name}: {panel.title} ({legend})": expression
    for name, (_, panels) in dashboards.DASHBOARDS.items()
    for panel in panels
    for expression, legend in panel.queries
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The demo as `nerava demo` runs it, with its metrics on; yields its port and the file of what it said."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NERAVA_")},
        "METRICS_ENABLED": "true",
        "NERAVA_DATA_DIR": str(folder / "data"),
        "PIP_NO_INDEX": "1",
        "COLUMNS": "200",
        "PIP_CONFIG_FILE": os.devnull,
    }
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nerava", "demo"),
                *("--folder", str(folder / "demo"), "--port", str(port), "--sessions", "100"),
            ],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: process.poll() is not None or _answers(port))
            assert process.poll() is None, (folder / "said").read_text()
            yield port, folder / "said"
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="module")
def prometheus(demo: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A Prometheus that reads the demo every second; yields a client of it."""
    program = str(shutil.which("prometheus"))
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    jobs = [{"job_name": "nerava-web", "static_configs": [{"targets": [f"127.0.0.1:{demo[0]}"]}]}]
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yaml").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            with closing(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)) as client:
                until(lambda: _readings(client) >= 1)
                _paste(demo[1])
                httpx2.get(f"http://127.0.0.1:{demo[0]}/v1/wallet", timeout=30)  # Refused: nobody signed in.
                before = _readings(client)
                until(lambda: _readings(client) >= before + SCRAPES)
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _readings(client: httpx2.Client) -> int:
    """Return how often the demo was read."""
    try:
        found = _asked(client, 'count_over_time(up{job="nerava-web"}[5m])')
    except httpx2.HTTPError:
        return 0
    return int(found[0]["value"][1]) if found else 0


def _paste(said: Path) -> None:
    """Do what the demo says one can paste: look around, redeem a coffee, cash out."""
    text = said.read_text()
    script = text[text.index("\n. ") : text.index("# come in as ops")]
    done = subprocess.run(
        ["/bin/bash", "-ec", script], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert '"captured_at":' in done.stdout
    assert '"state":"approved"' in done.stdout


def _asked(client: httpx2.Client, expression: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def test_every_panel_shows_something_of_the_demo(prometheus: httpx2.Client) -> None:
    empty = [name for name, expression in QUERIES.items() if not _asked(prometheus, expression)]

    assert len(QUERIES) > 50
    assert not empty, "\n".join(empty)


def test_a_panel_that_asks_for_nothing_that_is_there_would_be_seen(prometheus: httpx2.Client) -> None:
    assert _asked(prometheus, "sum(rate(nerava_redemtions_total[5m])) by (state)") == []
