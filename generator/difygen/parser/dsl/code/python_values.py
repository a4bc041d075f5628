"""Expressions of Python, with abstract values."""

from __future__ import annotations

import _ast
from collections.abc import Callable, Sequence
from functools import partial

from difygen.parser.dsl.code.machine import MAX_NESTING, UnfitError
from difygen.parser.dsl.code.python_names import (
    FIT_DUNDERS,
    GOING_CALLS,
    PythonNames,
    bound_by,
    constant,
    traverse,
)
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    NULL,
    NUMBER,
    SOMETHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Container,
    Function,
    any_of,
    data,
    put,
    put_anywhere,
)


class PythonValues(PythonNames):
    """What expressions may be, but for calls."""

    def call_expression(self, call: _ast.Call) -> Abstract:
        """Return what a call gives."""
        raise NotImplementedError

    def invoke(self, value: Abstract, node: _ast.AST, positional: Sequence[Abstract]) -> Abstract:
        """Return what a function that was given to another one gives."""
        raise NotImplementedError

    def eval(self, node: _ast.expr) -> Abstract:
        """Return what an expression may be."""
        self.step()
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise UnfitError
        value = self._value(node)
        self._nesting -= 1
        return value

    def _value(self, node: _ast.expr) -> Abstract:
        match node:
            case _ast.Constant(value=value):
                return constant(value)
            case _ast.Name(id=name):
                return self._named(name)
            case _ast.JoinedStr(values=values):
                for each in values:
                    self.eval(each)
                return A_TEXT
            case _ast.FormattedValue(value=inner, format_spec=spec):
                self.eval(inner)
                if spec is not None:
                    self.eval(spec)
                return A_TEXT
            case _ast.BinOp(left=left, op=op, right=right):
                first = self.eval(left)
                return self._combined(node, op, first, self.eval(right))
            case _ast.UnaryOp(op=op, operand=operand):
                found = self.eval(operand)
                return A_NUMBER if isinstance(op, _ast.Not) or not found.kinds & (FOREIGN | MODULE) else SOMETHING
            case _ast.Compare(left=left, comparators=others):
                found = any_of([self.eval(each) for each in (left, *others)])
                return A_NUMBER if not found.kinds & (FOREIGN | MODULE) else A_NUMBER | Abstract(FOREIGN)
            case _ast.BoolOp(op=op, values=values):
                return self._either(isinstance(op, _ast.And), values)
            case _ast.IfExp(test=test, body=body, orelse=orelse):
                self.eval(test)
                return self.choose(partial(self._assume, test), lambda: self.eval(body), lambda: self.eval(orelse))
            case _ast.NamedExpr(target=target, value=inner):
                found = self.plain(self.eval(inner))
                self._assign(target, found)
                return found
            case _ast.List(elts=elements) | _ast.Tuple(elts=elements) | _ast.Set(elts=elements):
                return self._list(node, elements)
            case _ast.Dict(keys=keys, values=values):
                return self._dict(node, keys, values)
            case _ast.ListComp(elt=element) | _ast.SetComp(elt=element):
                return self.make_list(node, self._comprehension(node.generators, lambda: self.eval(element)))
            case _ast.DictComp(key=key, value=inner):
                pairs = self._comprehension(
                    node.generators, lambda: self.make_tuple(node, (self.eval(key), self.eval(inner)))
                )
                return self.make(node, Container(False, self.element(pairs, 1), self.element(pairs, 0)))
            case _ast.GeneratorExp(elt=element):  # nobody says when it runs
                found = self._comprehension(node.generators, lambda: self.eval(element))
                self._give_away_names(node)
                self.give_away(found)
                return Abstract(FOREIGN)
            case _ast.Lambda():
                return self._function(node)
            case _ast.Call():
                return self.call_expression(node)
            case _ast.Attribute(value=inner, attr=name):
                return self._attribute(inner, name)
            case _ast.Subscript():
                return self.subscript(node)
            case _ast.Slice(lower=lower, upper=upper, step=step):
                for bound in (lower, upper, step):
                    if bound is not None:
                        self.eval(bound)
                return SOMETHING
            case _ast.Starred(value=inner):
                return self.eval(inner)
        raise UnfitError

    def _either(self, is_and: bool, values: Sequence[_ast.expr]) -> Abstract:
        first, *rest = values
        found = self.eval(first)
        if not rest:
            return found
        short = found if is_and else found.there  # `or` gives what is true
        return self.choose(
            lambda truth: self._assume(first, truth is is_and), lambda: self._either(is_and, rest), lambda: short
        )

    def _combined(self, node: _ast.AST, op: _ast.operator, left: Abstract, right: Abstract) -> Abstract:
        """Return what an operator makes of two values: never null."""
        kinds = (left.kinds | right.kinds) & ~MODULE
        if isinstance(op, _ast.Add) and (left.is_only(TEXT) or right.is_only(TEXT)):
            return A_TEXT
        if isinstance(op, _ast.Mod) and left.is_only(TEXT):
            return A_TEXT
        if left.sites or right.sites:
            if not self.is_private(left | right):
                return SOMETHING
            containers = self.containers(left | right)
            found = Abstract(kinds)
            if any(each.is_list for each in containers):
                found |= self.make_list(node, self.elements(left) | self.elements(right))
            if any(not each.is_list for each in containers):
                found |= self.make(node, self.merged(self.merged(Container(False), left), right))
            return found
        if (left.kinds | right.kinds) & (DATA | FOREIGN | MODULE):
            return SOMETHING
        return Abstract(kinds or NUMBER)

    def _list(self, node: _ast.expr, elements: Sequence[_ast.expr]) -> Abstract:
        if not any(isinstance(each, _ast.Starred) for each in elements):
            return self.make_tuple(node, [self.eval(each) for each in elements])
        found = NOTHING
        for each in elements:
            if isinstance(each, _ast.Starred):
                found |= self._apply(NOTHING, node, self._going(each.value))
            else:
                found |= self.eval(each)
        return self.make_list(node, found)

    def _dict(self, node: _ast.expr, keys: Sequence[_ast.expr | None], values: Sequence[_ast.expr]) -> Abstract:
        container = Container(False)
        for key, value in zip(keys, values, strict=True):
            name = key.value if isinstance(key, _ast.Constant) else None
            named = self.eval(key) if key is not None else NOTHING
            found = self.plain(self.eval(value))
            if key is None:
                container = self.merged(container, found)
            elif isinstance(name, str):
                container = put(container, name, found)
            else:
                container = put_anywhere(container, found, named)
        return self.make(node, container)

    def _comprehension(self, generators: Sequence[_ast.comprehension], element: Callable[[], Abstract]) -> Abstract:
        """Return what comes of all rounds. The names of a comprehension are its own."""
        names = {name for each in generators for node in traverse(each.target) for name in bound_by(node)}
        kept = {name: self.frame.env.get(name) for name in names}
        local = self.frame.local
        self.frame.local = local | names
        self._within += 1
        found: list[Abstract] = []

        def go(rest: Sequence[_ast.comprehension]) -> None:
            if not rest:
                found.append(element())
                return
            first, *others = rest
            if first.is_async:
                raise UnfitError

            def inside() -> None:
                for test in first.ifs:
                    self.eval(test)
                    self._assume(test, True)
                if self.live:
                    go(others)

            self._for(first.target, first.iter, inside, self._nothing)

        go(generators)
        self._within -= 1
        self.frame.local = local
        for name, value in kept.items():
            if value is None:
                self.unbind(name)
            else:
                self.frame.env[name] = value
        return any_of(found)

    def _give_away_names(self, node: _ast.AST) -> None:
        free = frozenset(each.id for each in traverse(node) if isinstance(each, _ast.Name))
        self.give_away(Abstract(functions=frozenset((Function(node, self.frame, frozenset(), free),))))

    def _going(self, source: _ast.expr) -> Callable[[], Abstract]:
        """Return a function that says what the next round of going through an expression gets.

        It is asked again in every round, since what is gone through may change meanwhile.
        """
        if isinstance(source, _ast.GeneratorExp):
            values = self._comprehension(source.generators, lambda: self.eval(source.elt))
            return lambda: values
        if isinstance(source, _ast.Call) and not any(isinstance(each, _ast.Starred) for each in source.args):
            name = self._builtin(source.func)
            if name == "range":
                self._arguments(source)
                return lambda: A_NUMBER
            if name in GOING_CALLS and source.args and not source.keywords:
                return self._going_call(source, name)
            method = source.func
            if isinstance(method, _ast.Attribute) and method.attr in ("items", "values", "keys") and not source.args:
                value = self.eval(method.value)
                return lambda: self._of_object(source, method.attr, value)
        value = self.eval(source)
        return lambda: self.elements(value)

    def _going_call(self, call: _ast.Call, name: str) -> Callable[[], Abstract]:
        if name in ("map", "filter"):
            function = self.eval(call.args[0])
            sources = [self._going(each) for each in call.args[1:]]

            def one() -> Abstract:
                members = [each() for each in sources]
                result = self.invoke(function, call, members)
                chosen = any_of(members)
                return result if name == "map" else chosen.there if function == NULL else chosen

            return one
        sources = [self._going(each) for each in call.args]
        if name == "zip":
            return lambda: self.make_tuple(call, [each() for each in sources])
        if name == "enumerate":
            return lambda: self.make_tuple(call, [A_NUMBER, sources[0]()])
        return sources[0]

    def _of_object(self, node: _ast.Call, method: str, value: Abstract) -> Abstract:
        containers = [each for each in self.containers(value) if not each.is_list]
        keys, values = any_of([each.names for each in containers]), any_of([each.values for each in containers])
        if value.kinds & DATA:
            keys |= A_TEXT
            values |= data(f"{value.path}[]" if value.path else "")
        if value.kinds & (FOREIGN | MODULE) or not self.is_private(value):
            keys = values = UNCERTAIN
        if method == "items":
            return self.make_tuple(node, (keys, values))
        return keys if method == "keys" else values

    def _attribute(self, object_: _ast.expr, name: str) -> Abstract:
        if name.startswith("__") and name not in FIT_DUNDERS:
            raise UnfitError
        value = self.eval(object_)
        if not name.startswith("__"):
            self._is_there(object_)
        if value.is_only(MODULE) and value.path:
            return self._of_module(f"{value.path}.{name}") | NULL
        self.give_away(Abstract(sites=value.sites, functions=value.functions))  # as a method of it
        return UNCERTAIN

    def subscript(self, node: _ast.Subscript) -> Abstract:
        """Return what stands at a key, an index or a slice."""
        value = self.eval(node.value)
        self._is_there(node.value)
        key = node.slice
        self.eval(key)
        if isinstance(key, _ast.Slice):
            kept = Abstract(value.kinds & ~MODULE)
            return self.make_list(node, self.elements(value)) | kept if value.sites else kept
        return self._at(value, key)

    def _at(self, value: Abstract, key: _ast.expr, missing: Abstract = NOTHING) -> Abstract:
        """Return what stands at a key that has been evaluated."""
        if isinstance(key, _ast.UnaryOp) and isinstance(key.op, _ast.USub) and isinstance(key.operand, _ast.Constant):
            number = key.operand.value
            return self.element(value, -number if isinstance(number, int) else None, missing)
        if isinstance(key, _ast.Constant):
            if isinstance(key.value, str):
                return self.member(value, key.value, missing)
            if isinstance(key.value, int):
                return self.element(value, int(key.value), missing)
        return self.element(value, missing=missing)

    def _arguments(self, call: _ast.Call) -> list[Abstract]:
        found = [self.eval(each.value if isinstance(each, _ast.Starred) else each) for each in call.args]
        return found + [self.eval(each.value) for each in call.keywords]

    def _apply(self, function: Abstract, node: _ast.AST, going: Callable[[], Abstract]) -> Abstract:
        found: list[Abstract] = [NOTHING]

        def each() -> None:
            found[0] |= going()
            if function not in (NOTHING, NULL):
                self.invoke(function, node, [found[0]])

        self.repeat(self._nothing, each, self._nothing)
        return found[0]

    def _nothing(self) -> None:
        pass

    def _for(self, target: _ast.expr, source: _ast.expr, body: Callable[[], object], end: Callable[[], object]) -> None:
        going = self._going(source)
        self.repeat(lambda: self._assign(target, going()), body, end)
