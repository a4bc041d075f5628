"""Names, assignments and tests of Python, with abstract values."""

from __future__ import annotations

import _ast
import builtins
from collections.abc import Sequence
from functools import partial

from difygen.parser.dsl.code.machine import Machine, UnfitError
from difygen.parser.dsl.code.python_syntax import (
    SCOPES,
    UNFIT,
    UNFIT_MODULES,
    UNFIT_NAMES,
    bound_by,
    children,
    is_late,
    sometimes_hidden,
    walked,
)
from difygen.parser.dsl.code.python_tables import (
    OWN,
    TABLED,
)
from difygen.parser.dsl.code.values import (
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Function,
    any_of,
    put,
    put_anywhere,
)


class PythonNames(Machine):
    """What names are bound to, and what tests say of them."""

    def eval(self, node: _ast.expr) -> Abstract:
        """Return what an expression may be."""
        raise NotImplementedError

    def __init__(self, tree: _ast.Module) -> None:
        super().__init__()
        self._tree = tree
        self._nesting = 0
        self._fixed: frozenset[str] = frozenset()  # names that a test binds and uses: it says nothing of them
        self._within = 0  # comprehensions around this place
        self._scopes: dict[_ast.AST, tuple[frozenset[str], frozenset[str]]] = {}
        self._rebound: dict[_ast.expr, frozenset[str]] = {}
        shared = sometimes_hidden(tree)
        for node in walked(tree):
            if isinstance(node, UNFIT):
                raise UnfitError
            if isinstance(node, _ast.Global | _ast.Nonlocal):
                shared.update(node.names)
            if isinstance(node, _ast.Attribute) and not isinstance(node.ctx, _ast.Load) and node.attr in TABLED:
                raise UnfitError
            if isinstance(node, _ast.ImportFrom) and any(each.name.startswith(("*", "__")) for each in node.names):
                raise UnfitError
        self.shared = frozenset(shared)

    def _of_module(self, path: str) -> Abstract:
        if path.startswith(UNFIT_MODULES):
            raise UnfitError
        return Abstract(MODULE, path=path)

    def _function(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.Lambda) -> Abstract:
        local, free = self._scope(node)
        function = Function(node, self.frame, local, free)
        value = Abstract(functions=frozenset((function,)))
        arguments = node.args
        ordinary = [*arguments.posonlyargs, *arguments.args]
        for argument, default in zip(reversed(ordinary), reversed(arguments.defaults), strict=False):
            function.defaults[argument.arg] = self.plain(self.eval(default))
        for argument, maybe in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if maybe is not None:
                function.defaults[argument.arg] = self.plain(self.eval(maybe))
        is_deferred = isinstance(node, _ast.AsyncFunctionDef) or (not isinstance(node, _ast.Lambda) and is_late(node))
        return self.plain(value) if is_deferred or self._within else value

    def _scope(self, node: _ast.AST) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that a function binds, and those that it uses beside them."""
        if node not in self._scopes:
            local: set[str] = set()
            used: set[str] = set()
            waiting: list[_ast.AST] = [each for _, each in children(node)]
            while waiting:
                each = waiting.pop()
                local.update(bound_by(each))
                if isinstance(each, _ast.Name):
                    used.add(each.id)
                if isinstance(each, SCOPES):
                    used |= self._scope(each)[1]
                elif isinstance(each, _ast.comprehension):  # its target is its own
                    waiting += [each.iter, *each.ifs]
                else:
                    waiting.extend(child for _, child in children(each))
            self._scopes[node] = frozenset(local - self.shared), frozenset(used - local)
        return self._scopes[node]

    def _assign(self, target: _ast.expr, value: Abstract) -> None:
        match target:
            case _ast.Name(id=name):
                self.bind(name, value)
            case _ast.Starred(value=inner):
                self._assign(inner, value)
            case _ast.Tuple(elts=targets) | _ast.List(elts=targets):
                self._unpack(target, targets, value)
            case _ast.Subscript(value=object_, slice=key):
                self._store(self.eval(object_), key, self.plain(value))
            case _ast.Attribute(value=object_):
                self.eval(object_)
                self.give_away(value)
            case _:
                raise UnfitError

    def _unpack(self, node: _ast.expr, targets: Sequence[_ast.expr], value: Abstract) -> None:
        any_member = self.elements(value)
        containers = self.containers(value)
        orders = [each.order for each in containers if each.order is not None]
        exact = len(orders) == len(value.sites) == len(containers) and not value.kinds
        for number, target in enumerate(targets):
            if isinstance(target, _ast.Starred):
                self._assign(target.value, self.make_list(target, any_member))
                exact = False
            elif exact and all(len(order) == len(targets) for order in orders):
                self._assign(target, any_of([order[number] for order in orders]))
            else:
                self._assign(target, any_member)

    def _store(self, object_: Abstract, key: _ast.expr, value: Abstract) -> None:
        if isinstance(key, _ast.Slice):
            inner = self.elements(value)
            self.eval(key)
            self.change(object_, partial(put_anywhere, value=inner, key=NOTHING), inner)
            return
        self.eval(key)
        self._put_at(object_, key, value)

    def _put_at(self, object_: Abstract, key: _ast.expr, value: Abstract) -> None:
        """Put a value at a key that has been evaluated."""
        if isinstance(key, _ast.Constant) and isinstance(key.value, str):
            self.change(object_, partial(put, name=key.value, value=value), value)
        else:
            self.change(object_, partial(put_anywhere, value=value, key=UNCERTAIN), value)

    def _assume(self, test: _ast.expr, truth: bool) -> None:
        """Take away what a test, which has been evaluated, rules out."""
        if test not in self._rebound:
            nodes = list(walked(test))
            bound = {each.target.id for each in nodes if isinstance(each, _ast.NamedExpr)}
            names = [each.id for each in nodes if isinstance(each, _ast.Name)]
            self._rebound[test] = frozenset(name for name in bound if names.count(name) > 1)
        fixed, self._fixed = self._fixed, self._fixed | self._rebound[test]
        self._ruled_out(test, truth)
        self._fixed = fixed

    def _ruled_out(self, test: _ast.expr, truth: bool) -> None:
        match test:
            case _ast.Constant(value=value):
                if bool(value) is not truth:
                    self.leave()
            case _ast.Name() | _ast.NamedExpr():
                if truth:
                    self._is_there(test)
            case _ast.UnaryOp(op=_ast.Not(), operand=operand):
                self._assume(operand, not truth)
            case _ast.BoolOp(op=op, values=values):
                if isinstance(op, _ast.And) is truth:
                    for each in values:
                        self._assume(each, truth)
                else:  # one of them, in turn
                    before, after = self.state(), None
                    for each in values:
                        self._assume(each, truth)
                        if after is None:
                            after = self.state()
                        else:
                            self.join(after)
                            after = self.state()
                        self.go_to(before)
                        self._assume(each, not truth)
                        before = self.state()
                    if after is not None:
                        self.go_to(after)
            case _ast.Compare(left=left, ops=[op], comparators=[_ast.Constant(value=None)]):
                if isinstance(op, _ast.Is | _ast.Eq | _ast.IsNot | _ast.NotEq):
                    if isinstance(op, _ast.Is | _ast.Eq) is not truth:
                        self._is_there(left)
                    else:
                        self._is_null(left)
            case _ast.Call(func=func, args=[subject, types], keywords=[]):
                if truth and self._builtin(func) == "isinstance":
                    self._is_of(subject, types)

    def _is_there(self, subject: _ast.expr) -> None:
        if isinstance(subject, _ast.NamedExpr):
            subject = subject.target
        if isinstance(subject, _ast.Name) and subject.id not in self._fixed:
            self.narrow(subject.id, lambda value: value.there)

    def _is_null(self, subject: _ast.expr) -> None:
        if isinstance(subject, _ast.Name) and subject.id not in self._fixed:
            self.narrow(subject.id, lambda value: Abstract(value.kinds & FOREIGN, value.null))

    def _is_of(self, subject: _ast.expr, types: _ast.expr) -> None:
        names = {self._builtin(each) for each in (types.elts if isinstance(types, _ast.Tuple) else [types])}
        if names <= {"str", "int", "float", "bool", "list", "dict", "tuple", "set", "bytes"}:
            self._is_there(subject)
            if names == {"str"} and isinstance(subject, _ast.Name) and subject.id not in self._fixed:
                texts = DATA | FOREIGN | MODULE | TEXT
                self.narrow(
                    subject.id, lambda value: Abstract(TEXT, path=value.path) if value.kinds & texts else NOTHING
                )

    def _named(self, name: str) -> Abstract:
        value = self.read(name)
        if value is not None:
            return value
        if name in UNFIT_NAMES:
            raise UnfitError
        return Abstract(MODULE, path=f"{OWN}{name}") if hasattr(builtins, name) else UNCERTAIN

    def _builtin(self, node: _ast.expr) -> str:
        """Return the name of one of Python's own functions, if that is what stands there."""
        if isinstance(node, _ast.Name) and self.read(node.id) is None and hasattr(builtins, node.id):
            return node.id
        return ""
