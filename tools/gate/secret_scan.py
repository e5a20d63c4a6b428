"""Finds secrets in tracked files, by their shape: `python -m tools.gate.secret_scan FOLDER`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.lint.tracked import tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPES: Final = {
    "private key": re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----\s*[A-Za-z0-9+/=]{40,}"),
    "access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "live key of Stripe": re.compile(r"\b[sr]k_live_[0-9A-Za-z]{16,}"),
    "secret of a webhook": re.compile(r"\bwhsec_[0-9A-Za-z+/]{32,}"),
    "live key of ours": re.compile(r"\bnvk_live_[0-9a-z]+_[0-9A-Za-z_-]{32,}"),
    "refresh token of ours": re.compile(r"\bnvr_[0-9A-Za-z_-]{40,}"),
    "token of GitHub": re.compile(r"\b(?:gh[opsur]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{60,})"),
    "token of Slack": re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{20,}"),
    "key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "key-encryption key": re.compile(r"\bkek_\d{4}_\d{2}:[0-9A-Za-z+/_-]{43}="),
    "token that is signed": re.compile(r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{40,}"),
    "secret in a setting": re.compile(
        r"(?:SECRET|TOKEN|PASSWORD|PEPPER|_KEY|SESSION|SEAL|REFRESH)\w*\s*[=:]\s*[\"']?[0-9A-Za-z+/]{43}=(?![0-9A-Za-z=])"
    ),
}
"""By what it is, what it looks like. What only looks like one has a reason below."""

NO_SECRET: Final = re.compile(r"EXAMPLE|example|canary|CANARY|hunter2|(.)\1{15}")
"""What stands in something that was made up to be shown, or repeats one character."""

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {}
"""By file and shape: why it may stand there."""


class Found(NamedTuple):
    """A secret, without its value."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        """Return where it is."""
        return f"{self.path}:{self.line}: {self.what}"


def scan(root: Path) -> Iterator[Found]:
    """Yield every secret in what git tracks below a folder."""
    for name in tracked_files(root):
        try:
            text = Path(root, name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # deleted, or no text
        for what, shape in SHAPES.items():
            for found in shape.finditer(text):
                if not NO_SECRET.search(found[0]) and (name, what) not in EXCEPTIONS:
                    yield Found(name, text.count("\n", 0, found.start()) + 1, what)


def main(folders: list[str]) -> int:
    """Print what was found, never its value, and return the status to exit with."""
    found = [one for folder in folders or ["."] for one in scan(Path(folder))]
    for one in found:
        print(one)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
