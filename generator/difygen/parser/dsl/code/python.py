"""The Python of a code node, gone through with abstract values. It is parsed, and never run."""

from __future__ import annotations

import _ast
from collections.abc import Mapping, Sequence
from functools import partial

from difygen.parser.dsl.code.machine import UnfitError
from difygen.parser.dsl.code.python_calls import PythonCalls
from difygen.parser.dsl.code.python_names import (
    LATE_NAMES,
    bound_by,
    traverse,
)
from difygen.parser.dsl.code.values import (
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    NULL,
    UNCERTAIN,
    Abstract,
    Container,
    Function,
    any_of,
    data,
    loosened,
    put_anywhere,
)


class PythonReader(PythonCalls):
    """Goes through a module and its `main`."""

    def main(self, parameters: Mapping[str, Abstract] | None) -> Abstract:
        """Return what `main` gives for these parameters; for any at all if None."""
        self._body(self._tree.body)
        env = self.frame.env
        env["json"] = Abstract(MODULE, path="json")
        env.update((name, UNCERTAIN) for name in LATE_NAMES if name in env)
        main = env.get("main", NOTHING)
        if "main" in self.shared or not main.functions or main != Abstract(functions=main.functions):
            raise UnfitError
        return any_of([self._called_by_dify(each, parameters) for each in main.functions])

    def _called_by_dify(self, function: Function, parameters: Mapping[str, Abstract] | None) -> Abstract:
        node = function.node
        if not isinstance(node, _ast.FunctionDef):
            raise UnfitError
        arguments = dict(function.defaults)
        names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
        others = {name: (value, True) for name, value in (parameters or {}).items() if name not in names}
        if node.args.vararg is not None:
            arguments[node.args.vararg.arg] = self.make_tuple(node.args.vararg, ())
        if node.args.kwarg is not None:
            rest = NOTHING if parameters is not None else data("")
            arguments[node.args.kwarg.arg] = self.make(node.args.kwarg, Container(False, rest=rest, members=others))
        for name in names:
            if parameters is None:
                arguments[name] = data(name)
            elif name in parameters:
                arguments[name] = parameters[name]
            elif name not in arguments:
                arguments[name] = UNCERTAIN
        return self._entered(function, node, arguments)

    def _body(self, body: Sequence[_ast.stmt]) -> None:
        for statement in body:
            if not self.live:
                return
            self.step()
            self._statement(statement)

    def _statement(self, node: _ast.stmt) -> None:
        match node:
            case _ast.Expr(value=value):
                self.eval(value)
            case _ast.Assign(targets=targets, value=value):
                found = self.eval(value)
                for target in targets:
                    self._assign(target, found)
            case _ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._assign(target, self.eval(value))
            case _ast.AugAssign():
                self._augment(node)
            case _ast.Return(value=value):
                self.finish(NULL if value is None else self.eval(value))
            case _ast.If(test=test, body=body, orelse=orelse):
                self.eval(test)
                self.branch(partial(self._assume, test), lambda: self._body(body), lambda: self._body(orelse))
            case _ast.While(test=test, body=body, orelse=orelse):
                self.repeat(
                    lambda: self._tested(test, True, ()),
                    lambda: self._body(body),
                    lambda: self._tested(test, False, orelse),
                )
            case _ast.For(target=target, iter=source, body=body, orelse=orelse):
                self._for(target, source, lambda: self._body(body), lambda: self._body(orelse))
            case _ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                self.attempt(
                    lambda: self._body(body),
                    [partial(self._handler, each) for each in handlers],
                    lambda: self._body(orelse),
                    (lambda: self._body(finalbody)) if finalbody else None,
                )
            case _ast.With(items=items, body=body):
                self._with(items, body)
            case _ast.FunctionDef() | _ast.AsyncFunctionDef():
                self._define(node)
            case _ast.Import() | _ast.ImportFrom():
                self._import(node)
            case _ast.Raise(exc=error):
                if error is not None:
                    self.eval(error)
                self.leave()
            case _ast.Break():
                self.break_off()
            case _ast.Continue():
                self.go_on()
            case _ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target)
            case _ast.Assert(test=test):
                self.eval(test)
                self._assume(test, True)
            case _ast.Match(subject=subject, cases=cases):
                self.give_away(self.eval(subject))
                self._cases(cases)
            case _ast.Pass() | _ast.Global() | _ast.Nonlocal():
                pass
            case _:
                raise UnfitError

    def _tested(self, test: _ast.expr, truth: bool, then: Sequence[_ast.stmt]) -> None:
        self.eval(test)
        self._assume(test, truth)
        self._body(then)

    def _handler(self, handler: _ast.ExceptHandler) -> None:
        if handler.type is not None:
            self.eval(handler.type)
        if handler.name:
            self.bind(handler.name, Abstract(FOREIGN))
        self._body(handler.body)

    def _with(self, items: Sequence[_ast.withitem], body: Sequence[_ast.stmt]) -> None:
        def inside() -> None:
            for item in items:
                value = self.eval(item.context_expr)
                self.give_away(value)
                if item.optional_vars is not None:
                    self._assign(item.optional_vars, UNCERTAIN)
            self._body(body)

        opening = [each.context_expr for each in items]
        if all(isinstance(each, _ast.Call) and self._builtin(each.func) == "open" for each in opening):
            inside()
        else:  # it may swallow an error
            self.attempt(inside, [self._nothing], self._nothing)

    def _cases(self, cases: Sequence[_ast.match_case]) -> None:
        if not cases:
            return
        first, *rest = cases
        for node in traverse(first.pattern):  # a pattern that does not match may have bound some
            for name in bound_by(node):
                self.bind(name, UNCERTAIN)
        before = self.state()
        if first.guard is not None:
            self.eval(first.guard)
            self._assume(first.guard, True)
        self._body(first.body)
        after = self.state()
        is_any = isinstance(first.pattern, _ast.MatchAs) and first.pattern.pattern is None and first.guard is None
        self.go_to(before)
        if is_any:
            self.leave()
        else:
            if first.guard is not None:
                self.eval(first.guard)
            self._cases(rest)
        self.join(after)

    def _import(self, node: _ast.Import | _ast.ImportFrom) -> None:
        for each in node.names:
            if isinstance(node, _ast.Import):
                path = each.name if each.asname else each.name.partition(".")[0]
                name = each.asname or path
            else:
                path, name = f"{node.module}.{each.name}", each.asname or each.name
            self.bind(name, self._of_module(path) | (NULL if isinstance(node, _ast.ImportFrom) else NOTHING))

    def _define(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef) -> None:
        value = self._function(node)
        for decorator in node.decorator_list:
            self.give_away(self.eval(decorator) | value)
            value = Abstract(FOREIGN)
        self.bind(node.name, value)

    def _delete(self, target: _ast.expr) -> None:
        if isinstance(target, _ast.Name):
            self.unbind(target.id)
        elif isinstance(target, _ast.Subscript):
            object_ = self.eval(target.value)
            self.eval(target.slice)
            self.change(object_, loosened)
        elif isinstance(target, _ast.Tuple | _ast.List):
            for each in target.elts:
                self._delete(each)

    def _augment(self, node: _ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, _ast.Subscript):
            object_ = self.eval(target.value)
            before = self._at(object_, target.slice)
        else:
            object_, before = NOTHING, self.eval(target)
        value = self.eval(node.value)
        result = self._combined(node, node.op, before, value)
        if before.sites or before.kinds & (DATA | FOREIGN):  # a list is changed in place
            inner = self.elements(value) if value.sites or value.kinds & (DATA | FOREIGN) else NOTHING
            if isinstance(node.op, _ast.BitOr):
                self.give_away(before | value)
            else:
                self.change(before, partial(put_anywhere, value=inner, key=NOTHING), inner)
            result |= before.there._replace(kinds=before.kinds & (DATA | FOREIGN))
        if isinstance(target, _ast.Subscript):
            self._put_at(object_, target.slice, self.plain(result))
        else:
            self._assign(target, result)
