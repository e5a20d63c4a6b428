"""The `nerava` command."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final

import typer

from nerava.commands.lazily import LazyCommands

app = typer.Typer(
    name="nerava",
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rewards for EV charging: every point backed by cash, every decision explained.",
)

YOUNG_OBJECTS: Final = 20_000
"""How many new objects start a search for garbage. Python's own 700 suits scripts: a batch of a
thousand postings makes forty thousand objects, none of them garbage, and was searched sixty times."""


@app.callback()
def nerava() -> None:
    """Rewards for EV charging: every point backed by cash, every decision explained."""


def main() -> None:
    """Run the command line."""
    if not __debug__:
        sys.exit("nerava does not run with python -O: it would switch off its own checks")
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    try:
        app()
    except OSError as error:
        # Commands tell of their own files; what is left is the way out: a full disk behind `>`, say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"nerava: {error}")


if __name__ == "__main__":
    main()
