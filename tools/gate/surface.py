"""What the API shows, compared with what was reviewed: `python -m tools.gate.surface routes|document`."""

from __future__ import annotations

import difflib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerava.app import create_app, reviewed_policies
from nerava.platform.policy import RoutesAndPoliciesDiffer, compare, walk
from nerava.settings import DatabaseSettings, Settings, TokenSettings
from nerava.web.api.routes import openapi_document

if TYPE_CHECKING:
    from nerava.platform.policy import Policy

DOCUMENT: Final = Path("docs/openapi.json")
REASON_WORDS_MIN: Final = 3


def routes() -> list[str]:
    """Return what is wrong with who may call what: unreviewed, or open to everybody without a reason."""
    try:
        table = _mounted()
        compare(table, reviewed_policies())
    except RoutesAndPoliciesDiffer as error:
        return str(error).split("; ")
    return [
        f"{name} is open to everybody and nobody says why"
        for name, policy in table.items()
        if policy.public and len(policy.public.split()) < REASON_WORDS_MIN
    ]


def document() -> list[str]:
    """Return how the committed document differs from the one that the code makes."""
    now = json.dumps(openapi_document(), indent=2, ensure_ascii=False).splitlines()
    then = DOCUMENT.read_text("utf-8").splitlines()
    return list(difflib.unified_diff(then, now, "committed", "code", lineterm="", n=1))[:60]


def _mounted() -> dict[str, Policy]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            env="test",
            database=DatabaseSettings(url=f"sqlite:///{folder}/n.sqlite3"),
            tokens=TokenSettings(keys_directory=Path(folder, "keys")),
        )
        return walk(create_app(settings).router.routes)


def main(arguments: list[str]) -> int:
    """Print what is wrong and return the status to exit with."""
    wrong = {"routes": routes, "document": document}[arguments[0]]()
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
