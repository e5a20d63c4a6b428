"""The product as it would be without hooks for traces and metrics: taken out of its source as it is loaded.

So the peer of `nerava bench overhead` is the same program in the same process in the same second, and
not an old version of it. What is taken out: `with tracing.…`, what is said about its span, questions
to `tracing`, and what happens only where there is a meter.
"""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

PRODUCT: Final = "nerava"
HOOKS: Final = "tracing"
SIGNS: Final = (b"tracing.", b"_meter", b"tally", b"_counted")
"""A module without any of these has no hooks."""

_COUNTS: Final = "tally"
_METERS: Final = frozenset({"meter", "counted"})
_ANSWERS: Final[dict[str, Any]] = {"current": None, "is_on": False, "stored": None}


class _Finder(MetaPathFinder):
    """Finds the modules of the product and loads them anew, with their hooks or without."""

    def __init__(self, loader: type[SourceFileLoader]) -> None:
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is and what loads it; None if it is not the product's."""
        if not _is_ours(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = self._loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code; where there are hooks never what was compiled with them."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if not any(one in source for one in SIGNS):
            return super().get_code(fullname)
        code: CodeType = compile(stripped(source, path), path, "exec")
        return code


def imported(name: str, *, with_hooks: bool = False) -> ModuleType:
    """Import a module of the product anew, and what it imports of it, for the caller alone."""
    ours = {key: module for key, module in sys.modules.items() if _is_ours(key)}
    finder = _Finder(SourceFileLoader if with_hooks else _Loader)
    for key in ours:
        del sys.modules[key]
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for key in [key for key in sys.modules if _is_ours(key)]:
            del sys.modules[key]
        sys.modules.update(ours)


def stripped(source: bytes | str, path: str) -> ast.Module:
    """Return a module that has no hooks."""
    module: ast.Module = ast.fix_missing_locations(_Strip().visit(ast.parse(source, path)))
    return module


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PRODUCT


class _Strip(ast.NodeTransformer):
    """Takes hooks out of one module."""

    def __init__(self) -> None:
        self._spans: set[str] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Go on below; a block that nothing is left of still has to be one."""
        super().generic_visit(node)
        if isinstance(getattr(node, "body", None), list) and not isinstance(node, ast.Module):
            node.body = node.body or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_With(self, node: ast.With) -> Any:  # noqa: ANN401 - what `ast` calls it
        """Keep what is done with a span, without the span."""
        hooks = [one for one in node.items if _is_hook(one.context_expr)]
        self._spans |= {one.optional_vars.id for one in hooks if isinstance(one.optional_vars, ast.Name)}
        node.items = [one for one in node.items if one not in hooks]
        self.generic_visit(node)
        return node if node.items else node.body

    def visit_If(self, node: ast.If) -> Any:  # noqa: ANN401 - a node, several or none
        """Leave out what happens only where there is a span or a meter."""
        if self._is_span(node.test) or _asks_for_meter(node.test, ast.IsNot):
            return [self.visit(one) for one in node.orelse] or None
        return self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:  # noqa: ANN401 - a node, several or none
        """Choose what holds where there is no meter."""
        return self.visit(node.body) if _asks_for_meter(node.test, ast.Is) else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:  # noqa: ANN401 - a node, several or none
        """Leave out what is said about a span."""
        call = node.value
        if isinstance(call, ast.Call):
            on = call.func.value if isinstance(call.func, ast.Attribute) else None
            counts = isinstance(call.func, ast.Name) and call.func.id == _COUNTS and len(call.args) > 1
            about = call.args and self._is_span(call.args[0])
            if _is_hook(call) or self._is_span(on) or counts or about:
                return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Answer what is asked of the hooks as they would while they are off."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Attribute) and name == "did" and self._is_span(node.func.value):
            found: ast.AST = self.visit(node.args[0])
            return found
        if _is_hook(node) and name == "onward":
            return ast.List(elts=[], ctx=ast.Load())
        if _is_hook(node) and name in _ANSWERS:
            return ast.Constant(_ANSWERS[name])
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        """Let what a row or an entry takes from the span that is under way be nothing."""
        value = node.value
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id == HOOKS:
            return ast.keyword("default", ast.Constant(None))
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Hand on nothing where a span would be handed on."""
        return ast.Constant(None) if isinstance(node.ctx, ast.Load) and node.id in self._spans else node

    def _is_span(self, node: ast.AST | None) -> bool:
        return isinstance(node, ast.Name) and node.id in self._spans


def _is_hook(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    on = called.value if isinstance(called, ast.Attribute) else None
    return isinstance(on, ast.Name) and on.id == HOOKS


def _asks_for_meter(test: ast.expr, how: type[ast.cmpop]) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_asks_for_meter(one, how) for one in test.values)
    if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], how)):
        return False
    asked = test.left
    name = asked.attr if isinstance(asked, ast.Attribute) else asked.id if isinstance(asked, ast.Name) else ""
    return name.lstrip("_") in _METERS
