"""The product as it would be without hooks for traces and metrics: taken out of its source as it is loaded.

So the peer of `nerava bench overhead` is the same program on the same machine in the same minute, and
not an old version of it. What is taken out: `with tracing.…`, what is said about its span, questions
to `tracing`, and what happens only where there is a meter.
"""

from __future__ import annotations

import ast
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

PRODUCT: Final = "nerava."
HOOKS: Final = "tracing"
_ANSWERS: Final[dict[str, Any]] = {"current": None, "is_on": False, "stored": None}


class WithoutHooks(MetaPathFinder):
    """Finds the modules of the product and loads them without their hooks."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is and what loads it; None if it is not the product's."""
        if not fullname.startswith(PRODUCT):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def install() -> None:
    """Load whatever is loaded from now on without hooks; for a process that does nothing else."""
    sys.meta_path.insert(0, WithoutHooks())


def without_hooks(source: bytes | str, path: str) -> CodeType:
    """Return the code of a module that has no hooks."""
    code: CodeType = compile(stripped(source, path), path, "exec")
    return code


def stripped(source: bytes | str, path: str) -> ast.Module:
    """Return a module that has no hooks."""
    module: ast.Module = ast.fix_missing_locations(_Strip().visit(ast.parse(source, path)))
    return module


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Return the code; never what somebody else compiled with hooks."""
        path = self.get_filename(fullname)
        return without_hooks(self.get_data(path), path)


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

    def visit_If(self, node: ast.If) -> Any:  # noqa: ANN401
        """Leave out what happens only where there is a span or a meter."""
        if self._is_span(node.test) or _asks_for_meter(node.test):
            return [self.visit(one) for one in node.orelse] or None
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:  # noqa: ANN401
        """Leave out what is said about a span."""
        call = node.value
        if isinstance(call, ast.Call):
            on = call.func.value if isinstance(call.func, ast.Attribute) else None
            if _is_hook(call) or self._is_span(on) or (call.args and self._is_span(call.args[0])):
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


def _asks_for_meter(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot)):
        return False
    asked = test.left
    name = asked.attr if isinstance(asked, ast.Attribute) else asked.id if isinstance(asked, ast.Name) else ""
    return name.lstrip("_") == "meter"
