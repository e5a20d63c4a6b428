"""How commands speak: tables and progress for people, one JSON document for machines."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.progress import TaskID

    from nerava.integrations.package_download import Progress as StepProgress
    from nerava.kernel.errors import NeravaError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

EXIT_BROKEN = 1
EXIT_REFUSED = 2


class Output:
    """Where a command's words go. With `as_json` only `document` prints, and only to standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """Print a line for people."""
        if not self.as_json:
            self._out.print(text)

    def remark(self, text: str) -> None:
        """Print a line that a shell passes over. It is never broken: its end would be run."""
        if not self.as_json:
            self._out.print(f"[dim]# {escape(text)}[/dim]", soft_wrap=True)

    def step(self, text: str) -> None:
        """Print what is about to happen, to standard error, so that it disturbs no pipe."""
        self._err.print(f"[dim]{escape(text)}[/dim]")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table for people; whole numbers stand to the right, with thousands apart."""
        if self.as_json:
            return
        # Without frames and outer edges a screen of 80 columns has room for seven of amounts.
        table = Table(
            title=title,
            title_justify="left",
            title_style="bold",
            header_style="dim",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        body = [list(row) for row in rows]
        for index, column in enumerate(columns):
            numeric = bool(body) and all(isinstance(row[index], int) for row in body)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in body:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else escape(str(cell)) for cell in row))
        self._out.print(table)
        self._out.print()

    def document(self, value: object) -> None:
        """Print the JSON document."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")

    def line(self, value: object) -> None:
        """Print one JSON object on a line of its own."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, default=_plain) + "\n")
            sys.stdout.flush()

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Yield a function that is told how far the work is; drawn on standard error."""
        columns: Sequence[Any] = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._err, disable=not self._err.is_terminal) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)

    @contextmanager
    def steps(self) -> Iterator[StepProgress]:
        """Yield a function that is told a step's name, how much of it is done, and how much there is."""
        columns: Sequence[Any] = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._err, disable=not self._err.is_terminal) as bar:
            tasks: dict[str, TaskID] = {}

            def tell(step: str, done: int, total: int) -> None:
                if step not in tasks:
                    tasks[step] = bar.add_task(step)
                bar.update(tasks[step], completed=done, total=total)

            yield tell

    def refuse(self, error: NeravaError) -> NoReturn:
        """Say why the command cannot be carried out, and end it with status 2."""
        self.document({"error": error.code, "detail": error.detail})
        detail = "" if error.detail == error.title else f": {escape(error.detail)}"
        self._err.print(f"[red]{escape(error.title)}[/red]{detail}")
        raise typer.Exit(EXIT_REFUSED)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
