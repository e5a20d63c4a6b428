"""The words and the shell of what the demo prints."""

from __future__ import annotations

import subprocess

import pytest

from nerava.demo.script import FIELD


@pytest.mark.parametrize(
    ("answer", "kept", "shown"),
    [
        ('{"state":"held","id":"0198","n":1}', "0198\n", ""),
        (
            '{"title":"Show a passkey anew","status":403}',
            "",
            '{"title":"Show a passkey anew","status":403}\n',
        ),
        ('{"request_id":"77","status":403}', "", '{"request_id":"77","status":403}\n'),
    ],
)
def test_a_field_is_kept_and_an_answer_without_it_is_shown(answer: str, kept: str, shown: str) -> None:
    command = f"{FIELD}; printf '%s\\n' '{answer}' | field id"
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == (kept, shown)
    assert len(FIELD) <= 80, "a terminal breaks it, and a pasted break is a command of its own"
