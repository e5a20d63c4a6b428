"""What a check looks at, and what it finds there."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file.

    Attributes:
        path: Relative to the root of the repository.
        text: As it stands in the file.
        tree: What Python makes of it.
    """

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        """Read a file's text.

        Raises:
            SyntaxError: The text is not Python.
        """
        return cls(PurePosixPath(path), text, ast.parse(text, path))

    def under(self, *folders: str) -> bool:
        """Return whether the file is one of these, or inside one of these folders."""
        return any(self.path.is_relative_to(folder) for folder in folders)


class Found(NamedTuple):
    """Something that breaks a rule: the line, and what is wrong with it."""

    line: int
    message: str


class Violation(NamedTuple):
    """Something that breaks a rule, with its place."""

    path: str
    line: int
    check: str
    message: str

    def __str__(self) -> str:
        """Return one line as compilers write it, so that editors find the place."""
        return f"{self.path}:{self.line}: {self.check}: {self.message}"


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: its name, where it holds, and how it is looked for."""

    name: str
    applies: Callable[[Source], bool]
    look: Callable[[Source], Iterator[Found]]
