"""Python's syntax trees, and what in them makes a program one of which nothing can be said."""

from __future__ import annotations

import _ast
import builtins
import warnings
from collections.abc import Iterator

from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    FOREIGN,
    NULL,
    Abstract,
)

_PARSE_ONLY = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
SCOPES = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda)
UNFIT = (_ast.ClassDef, _ast.TryStar)
"""Where one of these occurs, a method or an operator may do anything."""

_REACHES_ALL = "exec eval compile globals locals vars setattr delattr __import__ __builtins__ breakpoint"
UNFIT_NAMES = frozenset(_REACHES_ALL.split())
"""What can change anything without a word of it in the code."""
UNFIT_MODULES = ("sys.modules", "sys._getframe", "builtins", "ctypes", "gc", "inspect", "importlib", "unittest")
FIT_DUNDERS = frozenset(("__name__", "__doc__", "__version__", "__file__", "__class__"))
LATE_NAMES = ("b64decode", "inputs_obj", "output_obj", "output_json", "result")
"""What Dify binds beside the code, some of it before it calls `main`."""


def parsed(code: str) -> _ast.Module | None:
    """Return the syntax tree of a Python text, or None if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a text may be warned of at its first run is not our user's concern
            tree = compile(code, "<code>", "exec", _PARSE_ONLY)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, _ast.Module) else None


def constant(value: object) -> Abstract:
    """Return what a constant of the text is."""
    if value is None:
        return NULL
    return A_TEXT if isinstance(value, str) else A_NUMBER if isinstance(value, int | float) else Abstract(FOREIGN)


def is_harmless(name: _ast.expr) -> bool:
    """Check whether an attribute that is asked for by its name is written out and none that leads everywhere."""
    return isinstance(name, _ast.Constant) and isinstance(name.value, str) and name.value.strip("_") == name.value


def sometimes_hidden(tree: _ast.Module) -> set[str]:
    """Return the names of Python's own functions that the module may have replaced by the time that they are used."""
    always = {name for each in tree.body if not isinstance(each, _ast.If | _ast.Try) for name in bound_by(each)}
    always |= {
        each.id
        for node in tree.body
        if isinstance(node, _ast.Assign)
        for each in node.targets
        if isinstance(each, _ast.Name)
    }
    found: set[str] = set()
    waiting: list[_ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        found.update(bound_by(node))
        if not isinstance(node, SCOPES):
            waiting.extend(each for _, each in children(node) if not isinstance(each, _ast.comprehension))
    return {name for name in found - always if hasattr(builtins, name)}


def is_spread(call: _ast.Call) -> bool:
    return any(isinstance(each, _ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords)


def is_late(function: _ast.FunctionDef) -> bool:
    """Check whether a function is a generator, whose body runs at some other time."""
    waiting: list[_ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.Yield | _ast.YieldFrom):
            return True
        if not isinstance(node, SCOPES):
            waiting.extend(each for _, each in children(node))
    return False


def children(node: _ast.AST) -> Iterator[tuple[str, _ast.AST]]:
    for name in node._fields:
        if name not in ("ctx", "annotation", "returns"):
            value = getattr(node, name, None)
            if isinstance(value, _ast.AST):
                yield name, value
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, _ast.AST):
                        yield name, each


def walked(node: _ast.AST) -> Iterator[_ast.AST]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(child for _, child in children(each))


def bound_by(node: _ast.AST) -> Iterator[str]:
    """Return the names that a node binds itself."""
    match node:
        case _ast.Name(id=name, ctx=_ast.Store() | _ast.Del()):
            yield name
        case _ast.arg(arg=name) | _ast.FunctionDef(name=name) | _ast.AsyncFunctionDef(name=name):
            yield name
        case _ast.Import(names=names):
            yield from (each.asname or each.name.partition(".")[0] for each in names)
        case _ast.ImportFrom(names=names):
            yield from (each.asname or each.name for each in names)
        case _ast.ExceptHandler(name=str(name)) | _ast.MatchAs(name=str(name)) | _ast.MatchStar(name=str(name)):
            yield name
        case _ast.MatchMapping(rest=str(name)):
            yield name
