"""Hooks of the docs site: the reference of the API is written from docs/openapi.json as it is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK: Final = "<!-- every operation -->"
METHODS: Final = ("get", "post", "put", "patch", "delete")


def on_page_markdown(markdown: str, *, config: Mapping[str, Any], **_: object) -> str:
    """Put the operations where a page asks for them; MkDocs calls it for each page."""
    if MARK not in markdown:
        return markdown
    document = json.loads((Path(config["docs_dir"]) / "openapi.json").read_text("utf-8"))
    return markdown.replace(MARK, reference(document))


def reference(document: dict[str, Any]) -> str:
    """Return every operation of an OpenAPI document, a table for each part of the API."""
    parts: dict[str, list[str]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            refusals = sorted(status for status in operation["responses"] if status.startswith(("4", "5")))
            cells = (f"`{method.upper()} {path}`", _cell(operation.get("summary", "")), " ".join(refusals))
            parts.setdefault(_part(path), []).append(f"| {' | '.join(cells)} |")
    head = ["| operation | what it does | refuses with |", "|---|---|---|"]
    return "\n\n".join("\n".join([f"## {part}", "", *head, *rows]) for part, rows in sorted(parts.items()))


def _part(path: str) -> str:
    """Return the first two steps of an address below the version, as a heading."""
    steps = [step for step in path.split("/") if step and step != "v1"]
    return steps[0] if steps else "/"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
