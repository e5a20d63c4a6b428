"""Options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Database address; default: NERAVA_DATABASE__URL."),
]
