"""Secrets come from one place, are shown nowhere, and are made once where nobody gave them."""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import secrets as csprng
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nerava.kernel.clock import FixedClock
from nerava.platform.secrets import Secret, SecretKind, SecretMissing, Secrets, SecretUnusable
from tests.helpers.parallel import Processes, in_parallel

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RAW = bytes(range(100, 132))
OTHER = bytes(range(200, 232))
CANARY = base64.b64encode(RAW).decode()


def text(raw: bytes = RAW) -> str:
    """Return a value as it stands in a setting."""
    return base64.b64encode(raw).decode()


def file_with(folder: Path, content: str, mode: int = 0o600) -> Path:
    """Return a file that holds a secret."""
    file = folder / "given"
    file.write_text(content)
    file.chmod(mode)
    return file


def secrets(given: dict[SecretKind, str | Path], clock: FixedClock | None = None) -> Secrets:
    """Return the secrets of an installation that makes none by itself."""
    return Secrets(given, clock or FixedClock(NOON))


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(RAW)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", "%s" % secret, repr([secret])]  # noqa: UP031
    assert all("***" in one for one in shown)
    assert all(CANARY not in one and repr(RAW) not in one for one in shown)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda one: one == Secret(RAW),
        lambda one: one != RAW,
        [Secret(RAW)].count,
        hash,
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        bytes,
        vars,
        lambda one: "" + one,
    ],
)
def test_a_secret_is_not_compared_copied_stored_or_joined(attempt: object) -> None:
    with pytest.raises(TypeError):
        attempt(Secret(RAW))  # type: ignore[operator]


def test_only_reveal_hands_it_out_and_the_id_tells_nothing() -> None:
    secret = Secret(RAW)
    assert secret.reveal() == RAW
    assert len(secret.id) == 8
    assert Secret(OTHER).id != secret.id
    assert Secret(OTHER, "kek_2026_01").id == "kek_2026_01"


def test_a_value_is_base64_of_either_alphabet_padded_or_not() -> None:
    raw = b"\xfb\xff" * 17
    for spelled in (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b64encode(raw).rstrip(b"=")):
        assert secrets({SecretKind.SEAL: spelled.decode()}).get(SecretKind.SEAL).reveal() == raw


def test_a_file_is_read_and_blanks_around_it_do_not_matter(tmp_path: Path) -> None:
    file = file_with(tmp_path, f" {text()}\n", 0o640)
    assert secrets({SecretKind.SEAL: file}).get(SecretKind.SEAL).reveal() == RAW


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o660, 0o604, 0o620])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = file_with(tmp_path, text(), mode)
    with pytest.raises(SecretUnusable, match=f"NERAVA_SECRETS__SEAL_FILE: has mode {mode:04o}"):
        secrets({SecretKind.SEAL: file}).get(SecretKind.SEAL)


@pytest.mark.parametrize(
    "value",
    ["", " , ", text(RAW[:31]), "hunter2 " * 8, f"kek_2026_01:{text()}", "é" * 44, f"{text()},{text()}"],
)
def test_what_cannot_be_a_secret_is_refused_by_name_never_by_value(value: str) -> None:
    with pytest.raises(SecretUnusable) as refused:
        secrets({SecretKind.REFRESH: value}).get(SecretKind.REFRESH)
    assert refused.value.detail.startswith("NERAVA_SECRETS__REFRESH: ")
    assert refused.value.__cause__ is None
    assert "hunter2" not in str(refused.value)
    assert CANARY[:8] not in str(refused.value)


@pytest.mark.parametrize(
    "value", [text(), f"kek_26_1:{text()}", f"kek_2026_01:{text(RAW + b'x')}", "kek_2026_01:"]
)
def test_a_key_encryption_key_has_a_name_and_32_bytes(value: str) -> None:
    with pytest.raises(SecretUnusable):
        secrets({SecretKind.KEY_ENCRYPTION: value}).get(SecretKind.KEY_ENCRYPTION)


def test_versions_are_all_accepted_and_the_first_is_in_use() -> None:
    kind = SecretKind.KEY_ENCRYPTION
    found = secrets({kind: f"kek_2026_02:{text(OTHER)}, kek_2026_01:{text()}"})
    assert [one.id for one in found.accepted(kind)] == ["kek_2026_02", "kek_2026_01"]
    assert found.get(kind).reveal() == OTHER


def test_a_missing_secret_is_not_invented_where_it_must_be_given() -> None:
    with pytest.raises(SecretMissing, match="NERAVA_SECRETS__CODE_PEPPER: must be set"):
        secrets({}).get(SecretKind.CODE_PEPPER)


def test_elsewhere_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = Secrets({}, FixedClock(NOON), made_in=folder)
    made = {kind: first.get(kind) for kind in SecretKind}
    again = Secrets({}, FixedClock(NOON), made_in=folder)
    assert all(again.get(kind).reveal() == made[kind].reveal() for kind in SecretKind)
    assert len({one.reveal() for one in made.values()}) == len(SecretKind)
    assert made[SecretKind.KEY_ENCRYPTION].id == "kek_2026_01"
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"secret-{kind.value.replace('_', '-')}" for kind in SecretKind
    )
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first.weaknesses() == []


ROUNDS = 100


def _make(folder: Path, _number: int) -> tuple[int, tuple[bytes, ...]]:
    made = (Secrets({}, FixedClock(NOON), made_in=folder / str(number)) for number in range(ROUNDS))
    return os.getpid(), tuple(one.get(SecretKind.SEAL).reveal() for one in made)


def _enter(folder: Path) -> tuple[object, Callable[[], None]]:
    return folder, lambda: None


def test_processes_that_make_it_at_once_end_with_one(tmp_path: Path) -> None:
    with Processes(2) as crowd:
        made = crowd.at(tmp_path, _enter).run(_make, 64)
    assert len({pid for pid, _ in made}) == 2
    (values,) = {values for _, values in made}
    assert len(set(values)) == ROUNDS
    assert {file.name for folder in tmp_path.iterdir() for file in folder.iterdir()} == {"secret-seal"}


def test_threads_share_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Secrets({}, FixedClock(NOON), made_in=tmp_path)
    # Slow enough that every thread comes while the first one still makes it.
    of_chance = csprng.token_bytes

    def slowly(count: int) -> bytes:
        time.sleep(0.05)
        return of_chance(count)

    monkeypatch.setattr(csprng, "token_bytes", slowly)
    values = in_parallel(64, lambda _: found.get(SecretKind.SEAL).reveal())
    assert len(set(values)) == 1


def test_a_new_version_in_a_file_is_taken_up_without_a_restart(tmp_path: Path) -> None:
    clock = FixedClock(NOON)
    file = file_with(tmp_path, text())
    found = secrets({SecretKind.SEAL: file}, clock)
    assert found.get(SecretKind.SEAL).reveal() == RAW
    file.write_text(text(OTHER))
    clock.move_to(NOON + timedelta(minutes=11))
    assert found.get(SecretKind.SEAL).reveal() == RAW
    clock.move_to(NOON + timedelta(minutes=19))
    assert found.get(SecretKind.SEAL).reveal() == OTHER


@pytest.mark.parametrize("lost", ["gone", "open to others", "half written"])
def test_a_file_that_is_lost_later_is_told_and_its_value_used_for_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    clock = FixedClock(NOON)
    file = file_with(tmp_path, text())
    found = secrets({SecretKind.SEAL: file}, clock)
    assert found.get(SecretKind.SEAL).reveal() == RAW
    match lost:
        case "gone":
            file.unlink()
        case "half written":
            file.write_text(text()[:10])
        case _:
            file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        clock.move_to(NOON + timedelta(hours=23, minutes=59))
        assert found.get(SecretKind.SEAL).reveal() == RAW
    assert "secret_refresh_failed: NERAVA_SECRETS__SEAL" in caplog.text
    assert CANARY[:8] not in caplog.text
    clock.move_to(NOON + timedelta(hours=24, minutes=19))
    with pytest.raises(SecretUnusable):
        found.get(SecretKind.SEAL)
    file.unlink(missing_ok=True)
    file_with(tmp_path, text(OTHER))
    assert found.get(SecretKind.SEAL).reveal() == OTHER


def test_weaknesses_are_found_and_told_by_name_only() -> None:
    given: dict[SecretKind, str | Path] = {
        SecretKind.SESSION: text(),
        SecretKind.CODE_PEPPER: text(),
        SecretKind.IDENTIFIER: text(b"a" * 32),
        SecretKind.KEY_ENCRYPTION: f"kek_2026_01:{text(bytes(range(32)))}",
        SecretKind.SEAL: text(b"short"),
    }
    found = {one.setting: one.problem for one in secrets(given).weaknesses()}
    assert found == {
        "NERAVA_SECRETS__CODE_PEPPER": "is the same as NERAVA_SECRETS__SESSION",
        "NERAVA_SECRETS__IDENTIFIER": "repeats a few bytes; use 32 random ones",
        "NERAVA_SECRETS__SEAL": "is shorter than 32 bytes",
        "NERAVA_SECRETS__REFRESH": "must be set, here or in a file named by NERAVA_SECRETS__REFRESH_FILE",
    }
