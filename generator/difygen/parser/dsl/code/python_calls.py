"""Calls in Python, with abstract values."""

from __future__ import annotations

import _ast
from collections.abc import Mapping, Sequence
from functools import partial

from difygen.parser.dsl.code.machine import UnfitError
from difygen.parser.dsl.code.python_names import (
    FINDING_FUNCTIONS,
    FUNCTIONS,
    GOING_CALLS,
    LIST_CALLS,
    LIST_CHANGES,
    LIST_METHODS,
    LISTING_FUNCTIONS,
    NUMBER_CALLS,
    NUMBER_METHODS,
    OF_TEXTS_ONLY,
    OWN,
    TEXT_CALLS,
    TEXT_METHODS,
    UNFIT_NAMES,
    is_harmless,
    is_spread,
)
from difygen.parser.dsl.code.python_values import PythonValues
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    NULL,
    NUMBER,
    SMALL,
    SOMETHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Container,
    Function,
    any_of,
    append,
    data,
    loosened,
    put,
    put_anywhere,
)


class PythonCalls(PythonValues):
    """What calls give, and what they change."""

    def _body(self, body: Sequence[_ast.stmt]) -> None:
        """Go through statements, one after the other."""
        raise NotImplementedError

    def call_expression(self, call: _ast.Call) -> Abstract:
        if name := self._builtin(call.func):
            return self._builtin_call(call, name)
        if isinstance(call.func, _ast.Attribute):
            return self._method(call, call.func)
        return self._called(call, self.eval(call.func))

    def _called(self, call: _ast.Call, value: Abstract) -> Abstract:
        if value.functions and not value.kinds and not value.sites and not is_spread(call):
            positional = [self.eval(each) for each in call.args]
            named = {each.arg or "": self.eval(each.value) for each in call.keywords}
            return any_of([self._call_function(each, call, positional, named) for each in value.functions])
        given = self._arguments(call)
        if value.is_only(MODULE):
            return self._module_call(call, value.path, given)
        self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def invoke(self, value: Abstract, node: _ast.AST, positional: Sequence[Abstract]) -> Abstract:
        """Return what a function that was given to another one gives."""
        found = NOTHING
        for function in value.functions:
            found |= self._call_function(function, node, positional, {})
        if value.is_only(MODULE) and value.path.startswith(OWN):
            return self._own_call(value.path) or UNCERTAIN
        if value.kinds:
            self.give_away(any_of(positional))
            found |= UNCERTAIN
        return found

    def _own_call(self, path: str) -> Abstract | None:
        """Return what one of Python's own functions or methods gives, called by somebody else."""
        type_, _, method = path.removeprefix(OWN).partition(".")
        if type_ in TEXT_CALLS and not method or type_ == "str" and method in TEXT_METHODS:
            return A_TEXT
        return A_NUMBER if type_ in NUMBER_CALLS and not method else None

    def _call_function(
        self, function: Function, node: _ast.AST, positional: Sequence[Abstract], named: Mapping[str, Abstract]
    ) -> Abstract:
        made = function.node
        if not isinstance(made, _ast.FunctionDef | _ast.Lambda):
            self.give_away(any_of([*positional, *named.values()]))
            return UNCERTAIN
        parameters = made.args
        names = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
        arguments = {**function.defaults, **dict(zip(names, positional, strict=False))}
        others = NOTHING
        for name, value in named.items():
            if name in names or any(name == each.arg for each in parameters.kwonlyargs):
                arguments[name] = value
            else:
                others |= value
        if parameters.vararg is not None:
            arguments[parameters.vararg.arg] = self.make_list(parameters.vararg, any_of(positional[len(names) :]))
        if parameters.kwarg is not None:
            arguments[parameters.kwarg.arg] = self.make(parameters.kwarg, Container(False, others, A_TEXT))
        return self._entered(function, node, arguments)

    def _entered(self, function: Function, node: object, arguments: dict[str, Abstract]) -> Abstract:
        made = function.node

        def body() -> None:
            if isinstance(made, _ast.Lambda):
                self.finish(self.eval(made.body))
            elif isinstance(made, _ast.FunctionDef):
                self._body(made.body)
                self.finish(NULL)

        within, self._within = self._within, 0
        found = self.call(function, node, arguments, body)
        self._within = within
        return found

    def _module_call(self, call: _ast.Call, path: str, given: Sequence[Abstract]) -> Abstract:
        options = {each.arg for each in call.keywords}
        called = any_of([Abstract(functions=each.functions) for each in given])
        if None not in options and not is_spread(call):
            if path == "json.loads" and not options and len(given) == 1:
                return data(given[0].path if given[0].kinds & (DATA | TEXT) else "")
            if path == "json_repair.repair_json" and not options & {"return_objects", "logging"}:
                return A_TEXT if len(call.args) == 1 else SOMETHING
            if path == "json.dumps" and "cls" in options:
                return UNCERTAIN
            if path in ("re.sub", "re.compile().sub") and called.functions:
                for each in given:
                    self.repeat(self._nothing, partial(self.invoke, each, call, [Abstract(FOREIGN)]), self._nothing)
                return A_TEXT
            if path == "copy.deepcopy" and len(given) == 1 and not given[0].sites:
                return given[0]
            found = FUNCTIONS.get(path) or FUNCTIONS.get(f"{path}()") or self._own_call(path)
            if found is not None:
                self.give_away(called)
                return found
            if path in LISTING_FUNCTIONS:
                return self.make_list(call, A_TEXT | Abstract(FOREIGN))
            if path in FINDING_FUNCTIONS:
                return Abstract(FOREIGN) | NULL
        self.give_away(any_of(given))
        return UNCERTAIN

    def _builtin_call(self, call: _ast.Call, name: str) -> Abstract:
        if name in UNFIT_NAMES or (name == "type" and len(call.args) != 1):
            raise UnfitError
        if is_spread(call):
            self.give_away(any_of(self._arguments(call)))
            return UNCERTAIN
        if name == "getattr" and (len(call.args) < 2 or not is_harmless(call.args[1])):
            raise UnfitError
        if name == "dict":
            return self._dict_call(call)
        if call.args and name in LIST_CALLS | {"max", "min", "next", "sum", "any", "all"}:
            return self._gone_through(call, name)
        given = self._arguments(call)
        if name == "print":
            return NULL
        if name in TEXT_CALLS:
            return A_TEXT
        if name in NUMBER_CALLS:
            return A_NUMBER
        if name in ("range", *LIST_CALLS):
            return self.make_list(call, A_NUMBER if name == "range" else NOTHING)
        if name in ("type", "open", "object", "bytes", "bytearray"):
            return Abstract(FOREIGN)
        self.give_away(any_of(given))
        return Abstract(FOREIGN) if name in GOING_CALLS or name.endswith(("Error", "Exception")) else UNCERTAIN

    def _gone_through(self, call: _ast.Call, name: str) -> Abstract:
        """Return what a function gives that goes through its first argument, or compares all of them."""
        first, *others = call.args
        options = {each.arg: self.eval(each.value) for each in call.keywords}
        key = options.pop("key", NOTHING)
        if name in ("max", "min") and others:
            found = any_of([self.eval(each) for each in call.args])
            return self._apply(key, call, lambda: found)
        found = self._apply(key, call, self._going(first))
        given = [self.eval(each) for each in others]
        if name in LIST_CALLS:
            return self.make_list(call, found)
        if name in ("any", "all"):
            return A_NUMBER
        if name == "sum":
            return A_NUMBER if not given and not options and not found.kinds & (FOREIGN | MODULE) else SOMETHING
        return any_of([found, *given, *options.values()])

    def _dict_call(self, call: _ast.Call) -> Abstract:
        container = Container(False)
        for each in call.args[:1]:
            container = self._absorbing(container, *self._source(call, each))
        for keyword in call.keywords:
            value = self.plain(self.eval(keyword.value))
            if keyword.arg is not None:
                container = put(container, keyword.arg, value)
        return self.make(call, container)

    def _source(self, call: _ast.Call, node: _ast.expr) -> tuple[Abstract, Abstract]:
        """Return what an object or a set is made of: the whole, if it is more than that, and what going through it
        gives.
        """
        if isinstance(node, _ast.GeneratorExp) or (
            isinstance(node, _ast.Call) and self._builtin(node.func) in GOING_CALLS
        ):
            return NOTHING, self._apply(NOTHING, call, self._going(node))
        whole = self.eval(node)
        return whole, self.elements(whole)

    def _absorbing(self, container: Container, whole: Abstract, inner: Abstract) -> Container:
        """Return an object after all members of another one, or pairs of keys and values, were put into it."""
        objects = [each for each in self.containers(whole) if not each.is_list]
        is_open = bool(whole.kinds & ~TEXT) or not self.is_private(whole)
        if objects or is_open:
            container = self.merged(container, whole)
        if is_open or (objects and len(objects) == len(whole.sites)):
            return container
        is_pair = not inner.kinds and not inner.null and self.is_private(inner)
        keys, values = (self.element(inner, 0), self.element(inner, 1)) if is_pair else (UNCERTAIN, UNCERTAIN)
        return put_anywhere(container, values, keys)

    def _method(self, call: _ast.Call, method: _ast.Attribute) -> Abstract:
        value = self.eval(method.value)
        name = method.attr
        if name.startswith("__"):
            raise UnfitError
        self._is_there(method.value)
        if value.is_only(MODULE) and value.path:
            return self._called(call, self._of_module(f"{value.path}.{name}"))
        if is_spread(call) or value.functions or value.kinds & MODULE:
            self.give_away(any_of([value, *self._arguments(call)]))
            return UNCERTAIN
        whole = NOTHING
        if name == "update" and call.args:
            whole, inner = self._source(call, call.args[0])
            given = [inner, *[self.eval(each) for each in call.args[1:]]]
        elif name in ("join", "extend") and call.args:
            inner = self._apply(NOTHING, call, self._going(call.args[0]))
            given = [inner, *[self.eval(each) for each in call.args[1:]]]
        else:
            given = [self.eval(each) for each in call.args]
        options = {each.arg or "": self.eval(each.value) for each in call.keywords}
        found = NOTHING
        if value.sites:
            found |= self._container_method(call, name, value, given, options, whole)
        if value.kinds & (NUMBER | SMALL):
            found |= A_NUMBER
        if value.kinds & ~NUMBER & ~SMALL:
            found |= self._value_method(call, name, value, given, options)
        return found

    def _value_method(
        self, call: _ast.Call, name: str, value: Abstract, given: Sequence[Abstract], options: Mapping[str, Abstract]
    ) -> Abstract:
        """Return what a method of a text, of data or of some object gives."""
        is_foreign = bool(value.kinds & FOREIGN)
        if is_foreign or (value.kinds & DATA and name in LIST_CHANGES | {"update", "setdefault", "popitem"}):
            self.give_away(any_of([value._replace(sites=frozenset()), *given, *options.values()]))
        if not (is_foreign and (name in OF_TEXTS_ONLY or "inplace" in options)):
            if name in TEXT_METHODS:
                return A_TEXT
            if name in NUMBER_METHODS:
                return A_NUMBER
            if name in LIST_METHODS:
                return self.make_list(call, A_TEXT)
        if name == "encode":
            return Abstract(FOREIGN)
        if is_foreign:
            if name == "json" and not given:
                return data("", "")
            return A_TEXT | Abstract(FOREIGN) if name == "replace" and not options else UNCERTAIN
        if value.kinds & DATA:
            return self._data_method(call, name, value, given)
        return UNCERTAIN

    def _data_method(self, call: _ast.Call, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        only = value._replace(kinds=DATA, sites=frozenset(), null=frozenset())
        if name == "get" and given and len(given) <= 2:
            return self._at(only, call.args[0], given[1] if len(given) == 2 else NOTHING)
        if name in ("items", "keys", "values") and not given:
            return self.make_list(call, self._of_object(call, name, only))
        if name == "copy":
            return only
        return UNCERTAIN

    def _container_method(
        self,
        call: _ast.Call,
        name: str,
        value: Abstract,
        given: Sequence[Abstract],
        options: Mapping[str, Abstract],
        whole: Abstract,
    ) -> Abstract:
        first = self.plain(given[0]) if given else NOTHING
        is_private = self.is_private(value)
        lists = [each for each in self.containers(value) if each.is_list]
        objects = [each for each in self.containers(value) if not each.is_list]
        if name == "get" and 1 <= len(given) <= 2:
            missing = given[1] if len(given) == 2 else NULL
            return self._at(value._replace(kinds=0), call.args[0], missing)
        if name in ("items", "keys", "values") and not given:
            return self.make_list(call, self._of_object(call, name, value._replace(kinds=0)))
        if name == "copy" and not given:
            found = NOTHING
            for each in (*lists, *objects):
                found |= self.make(call, each)
            return found if is_private else found | SOMETHING
        if name in ("index", "count", "issubset", "issuperset", "isdisjoint"):
            return A_NUMBER
        if name in ("append", "add") and len(given) == 1:
            self.change(value, partial(append, value=first), first)
            return NULL
        if name == "insert" and len(given) == 2:
            inserted = self.plain(given[1])
            self.change(value, partial(put_anywhere, value=inserted, key=NOTHING), inserted)
            return NULL
        if name == "extend" and len(given) == 1:
            self.change(value, partial(put_anywhere, value=first, key=NOTHING), first)
            return NULL
        if name == "update" and len(given) <= 1:
            self._update(value, first, whole, options)
            return NULL
        if name in ("remove", "discard", "clear", "reverse"):
            self.change(value, loosened)
            return NULL
        if name == "sort" and not given:
            self._apply(options.get("key", NOTHING), call, lambda: self.elements(value))
            self.change(value, loosened)
            return NULL
        if name == "pop" and is_private:
            found = NOTHING
            if lists:
                found |= any_of([each.values for each in lists])
            if objects and call.args:
                found |= self._at(value._replace(kinds=0), call.args[0], given[1] if len(given) == 2 else NOTHING)
            self.change(value, loosened)
            return found
        if name == "setdefault" and is_private and 1 <= len(given) <= 2:
            default = self.plain(given[1]) if len(given) == 2 else NULL
            found = self._at(value._replace(kinds=0), call.args[0], default)
            self._put_at(value._replace(kinds=0), call.args[0], found)
            return found
        self.give_away(any_of([value, *given, *options.values()]))
        return UNCERTAIN

    def _update(self, value: Abstract, inner: Abstract, whole: Abstract, options: Mapping[str, Abstract]) -> None:
        """Put all members of something into an object, or into a set."""

        def by(container: Container) -> Container:
            if container.is_list:
                return put_anywhere(container, inner, NOTHING)
            if whole != NOTHING or inner != NOTHING:
                container = self._absorbing(container, whole, inner)
            for name, each in options.items():
                container = put(container, name, self.plain(each)) if name else container
            return container

        members = [each.values for each in self.containers(whole)] + [self.element(inner)]
        self.change(value, by, any_of([inner, *options.values(), *members]))
