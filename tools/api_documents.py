"""Writes what is committed about the API, from the code: `python -m tools.api_documents`, then read the diff.

The policy table decides who may call what: a change of it is a decision, not a formality.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from nerava.platform.policy import render, walk
from nerava.web.api.routes import openapi_document
from nerava.web.routes import ALL_ROUTES

ROOT: Final = Path(__file__).resolve().parents[1]
POLICY_HEAD: Final = """\
# Who may call what, reviewed. The process does not start when its routes differ from this table.
# A route is public with a reason, or closed by role and scope. Roles are exact words.

"""


def main() -> None:
    """Write `docs/openapi.json` and `src/nerava/policy.toml`."""
    document = json.dumps(openapi_document(), indent=2, ensure_ascii=False)
    (ROOT / "docs" / "openapi.json").write_text(f"{document}\n", "utf-8")
    (ROOT / "src" / "nerava" / "policy.toml").write_text(
        f"{POLICY_HEAD}{render(walk(ALL_ROUTES)).rstrip()}\n", "utf-8"
    )


if __name__ == "__main__":
    main()
