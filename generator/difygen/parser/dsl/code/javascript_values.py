"""Expressions and calls of JavaScript, with abstract values.

`undefined` counts as null, which is what becomes of it in a list; so does NaN, which JSON cannot say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tree_sitter import Node

from difygen.parser.dsl.code.javascript_names import (
    CALLBACK_METHODS,
    SMALL_METHODS,
    TEXT_METHODS,
    JavaScriptNames,
    field,
    hoisted_in,
    is_identity,
    is_optional,
    key_of,
    leaves_holes,
    literal,
    operator_of,
    parameters_of,
    text_of,
)
from difygen.parser.dsl.code.machine import MAX_NESTING, UnfitError
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_SMALL,
    A_TEXT,
    DATA,
    FOREIGN,
    NOTHING,
    NULL,
    NUMBER,
    SMALL,
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

_NOT_FINITE = A_NUMBER | NULL
_GLOBAL_CALLS: dict[str, Abstract] = {
    "String": A_TEXT,
    "encodeURIComponent": A_TEXT,
    "decodeURIComponent": A_TEXT,
    "encodeURI": A_TEXT,
    "atob": A_TEXT,
    "btoa": A_TEXT,
    "Boolean": A_SMALL,
    "isNaN": A_SMALL,
    "Array.isArray": A_SMALL,
    "Number.isInteger": A_SMALL,
    "Date.now": A_NUMBER,
    "Number": _NOT_FINITE,
    "parseInt": _NOT_FINITE,
    "parseFloat": _NOT_FINITE,
    "console.log": NULL,
}


class JavaScriptValues(JavaScriptNames):
    """What expressions may be, and what calls give and change."""

    def _block(self, block: Node) -> None:
        """Go through statements, one after the other."""
        raise NotImplementedError

    # -- statements -----------------------------------------------------------------------------------------------

    def _nothing(self) -> None:
        pass

    # -- expressions ----------------------------------------------------------------------------------------------

    def eval(self, node: Node) -> Abstract:
        """Return what an expression may be."""
        self.step()
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise UnfitError
        value = self._value(node)
        self._nesting -= 1
        return value

    def _value(self, node: Node) -> Abstract:
        match node.type:
            case "string":
                return A_TEXT
            case "regex":
                return UNCERTAIN
            case "template_string":
                for each in node.named_children:
                    if each.type == "template_substitution":
                        self.eval(each.named_children[0])
                return A_TEXT
            case "number":
                digits = text_of(node)
                return A_SMALL if digits.replace(".", "", 1).isdecimal() and len(digits) < 15 else _NOT_FINITE
            case "true" | "false":
                return A_SMALL
            case "null" | "undefined":
                return NULL
            case "identifier":
                bound = self.read(text_of(node))
                return UNCERTAIN if bound is None else bound
            case "parenthesized_expression" | "spread_element" | "sequence_expression":
                values = [self.eval(each) for each in node.named_children if each.type != "comment"]
                return values[-1]
            case "array":
                return self._array(node)
            case "object":
                return self._object(node)
            case "function_expression" | "arrow_function" | "generator_function":
                value = self._function(node)
                return self.plain(value) if self.frame.loops else value
            case "member_expression" | "subscript_expression":
                return self._member(node)
            case "call_expression":
                return self._call(node)
            case "new_expression":
                self.give_away(any_of(self._arguments(node)))
                return UNCERTAIN  # a date may be none, which JSON says as null
            case "ternary_expression":
                test = field(node, "condition")
                self.eval(test)
                return self.choose(
                    partial(self._assume, test),
                    lambda: self.eval(field(node, "consequence")),
                    lambda: self.eval(field(node, "alternative")),
                )
            case "unary_expression":
                value, operator = self.eval(field(node, "argument")), operator_of(node)
                if operator in ("!", "delete"):
                    self._deleted(node, operator)
                    return A_SMALL
                if operator == "typeof":
                    return A_TEXT
                return value if operator == "-" and value.is_only(SMALL) and not value.null else _NOT_FINITE
            case "binary_expression":
                return self._binary(node, field(node, "left"), operator_of(node), field(node, "right"))
            case "assignment_expression":
                value = self.eval(field(node, "right"))
                self._assign(field(node, "left"), value)
                return value
            case "augmented_assignment_expression":
                left = field(node, "left")
                value = self._binary(node, left, operator_of(node)[:-1], field(node, "right"))
                self._assign(left, value)
                return value
            case "update_expression":
                target = field(node, "argument")
                before = self.eval(target)
                value = self._sum(before, A_SMALL) if before.is_only(SMALL) or before.is_only(NUMBER) else _NOT_FINITE
                self._assign(target, value)
                return before | value
        raise UnfitError

    def _deleted(self, node: Node, operator: str) -> None:
        target = field(node, "argument")
        if operator == "delete" and target.type in ("member_expression", "subscript_expression"):
            object_ = self.eval(field(target, "object"))
            self.change(object_, lambda container: put_anywhere(loosened(container), NULL, NOTHING))

    def _array(self, node: Node) -> Abstract:
        elements = [each for each in node.named_children if each.type != "comment"]
        has_holes = leaves_holes(node)
        if not has_holes and not any(each.type == "spread_element" for each in elements):
            return self.make_tuple(node, [self.eval(each) for each in elements])
        found = NULL if has_holes else NOTHING
        for each in elements:
            value = self.eval(each)
            found |= self._members(value) if each.type == "spread_element" else value
        return self.make_list(node, found)

    def _object(self, node: Node) -> Abstract:
        container = Container(False)
        for each in node.named_children:
            match each.type:
                case "pair":
                    key = field(each, "key")
                    name = key_of(key)
                    if name is None and key.type == "computed_property_name":
                        self.eval(key.named_children[0])
                    value = self.plain(self.eval(field(each, "value")))
                    container = put_anywhere(container, value, A_TEXT) if name is None else put(container, name, value)
                case "shorthand_property_identifier":
                    shorthand = self.read(text_of(each))
                    container = put(container, text_of(each), self.plain(UNCERTAIN if shorthand is None else shorthand))
                case "spread_element":
                    container = self.merged(container, self.eval(each).there)
                case "comment":
                    pass
                case _:
                    raise UnfitError
        return self.make(node, container)

    def _binary(self, node: Node, left: Node, operator: str, right: Node) -> Abstract:
        first = self.eval(left)
        if operator == "??":
            return first.there | self.choose(lambda truth: None, lambda: self.eval(right), lambda: NOTHING)
        if operator in ("&&", "||"):
            is_and = operator == "&&"
            return self.choose(
                lambda truth: self._assume(left, truth is is_and),
                lambda: self.eval(right),
                lambda: first if is_and else first.there,
            )
        second = self.eval(right)
        if operator == "+":
            return self._sum(first, second)
        if operator == "-" and not first.null | second.null and first.is_only(SMALL) and second.is_only(SMALL):
            return A_NUMBER
        is_test = operator in ("==", "===", "!=", "!==", "<", ">", "<=", ">=", "in", "instanceof")
        return A_SMALL if is_test else _NOT_FINITE

    def _sum(self, first: Abstract, second: Abstract) -> Abstract:
        """Return what `+` makes of two values: a text where one of them is. Small numbers cannot add up to infinity."""
        if any(each.is_only(TEXT) and not each.null for each in (first, second)):
            return A_TEXT
        numbers = SMALL | NUMBER
        is_finite = not (first.kinds | second.kinds) & ~numbers and not first.null | second.null
        if is_finite and not first.sites | second.sites and (first.is_only(SMALL) or second.is_only(SMALL)):
            return A_NUMBER
        return A_TEXT | _NOT_FINITE

    # -- members --------------------------------------------------------------------------------------------------

    def _member(self, node: Node) -> Abstract:
        of = field(node, "object")
        value = self.eval(of)
        skipped = Abstract(null=value.null) if is_optional(node) else NOTHING
        if not is_optional(node):
            self._is_there(of)
        if node.type == "member_expression":
            return self._property(value, text_of(field(node, "property"))) | skipped
        index = field(node, "index")
        self.eval(index)
        if index.type == "string":
            return self._property(value, literal(index)) | skipped
        if index.type == "number" and text_of(index).isdecimal() and len(text_of(index)) < 9:
            return self._indexed(value, int(text_of(index))) | skipped
        return self.element(value) | NULL | skipped

    # -- calls ----------------------------------------------------------------------------------------------------

    def _arguments(self, call: Node) -> list[Abstract]:
        arguments = call.child_by_field_name("arguments")
        if arguments is None:
            return []
        if arguments.type == "template_string":
            raise UnfitError
        found = []
        for each in arguments.named_children:
            if each.type in ("arrow_function", "function_expression"):
                found.append(self._function(each))
            elif each.type != "comment":
                value = self.eval(each)
                found.append(self._members(value) if each.type == "spread_element" else value)
        return found

    def _is_spread(self, call: Node) -> bool:
        return any(each.type == "spread_element" for each in field(call, "arguments").named_children)

    def _call(self, call: Node) -> Abstract:
        function = field(call, "function")
        path = self._global(function)
        if path:
            return self._global_call(call, path)
        if function.type == "member_expression":
            return self._method(call, function)
        value = self.eval(function)
        given = self._arguments(call)
        skipped = Abstract(null=value.null) if is_optional(call) else NOTHING
        if value.functions and not value.kinds and not value.sites and not self._is_spread(call):
            return any_of([self._call_function(each, call, given) for each in value.functions]) | skipped
        self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def _global(self, node: Node) -> str:
        """Return the name of what the language has, if that stands there."""
        root = node
        while root.type == "member_expression":
            root = field(root, "object")
        is_global = root.type == "identifier" and self.read(text_of(root)) is None
        return text_of(node) if is_global else ""

    def _global_call(self, call: Node, path: str) -> Abstract:
        given = self._arguments(call)
        first = given[0] if given else NULL
        if not self._is_spread(call):
            if path == "JSON.parse" and len(given) == 1:
                return data(first.path if first.kinds & (DATA | TEXT) else "")
            if path == "JSON.stringify" and not any(each.functions for each in given):
                return A_TEXT | Abstract(null=first.null) | (NULL if first.kinds & FOREIGN else NOTHING)
            if path == "Object.keys":
                return self.make_list(call, A_TEXT)
            if path in ("Object.values", "Object.entries") and self.is_private(first) and not first.kinds & ~DATA:
                objects = [each for each in self.containers(first)]
                values = any_of([each.values for each in objects])
                values |= data(f"{first.path}[]" if first.path else "") if first.kinds else NOTHING
                pair = values if path == "Object.values" else self.make_tuple(call, (A_TEXT, values))
                return self.make_list(f"{call.id}", pair)
            if path == "Object.assign" and not first.sites:
                raise UnfitError
            if path.startswith("Math."):
                return _NOT_FINITE
            if path in _GLOBAL_CALLS and not any(each.functions for each in given):
                return _GLOBAL_CALLS[path]
        self.give_away(any_of(given))
        return UNCERTAIN

    def _call_function(self, function: Function, node: Node, given: Sequence[Abstract]) -> Abstract:
        made = function.node
        if not isinstance(made, Node):
            raise UnfitError
        body = field(made, "body")

        def run() -> None:
            for name in hoisted_in(made):
                if name not in parameters_of(made):
                    self.bind(name, NULL)
            single = made.child_by_field_name("parameter")
            parameters = field(made, "parameters").named_children if single is None else [single]
            for number, each in enumerate([each for each in parameters if each.type != "comment"]):
                if each.type == "rest_pattern":
                    self._assign(each, self.make_list(each, any_of(given[number:])))
                else:
                    self._assign(each, given[number] if number < len(given) else NULL)
            if body.type == "statement_block":
                self._block(body)
                self.finish(NULL)
            else:
                self.finish(self.eval(body))

        return self.call(function, node.id, {}, run)

    def _each(self, call: Node, function: Abstract, given: Callable[[Abstract], Sequence[Abstract]]) -> Abstract:
        """Return what a function gives that is called any number of times: it is given what it has given before."""
        found: list[Abstract] = [NOTHING]

        def once() -> None:
            for each in function.functions:
                found[0] |= self._call_function(each, call, given(found[0]))
            if function.kinds or function.sites:
                self.give_away(any_of([function, *given(found[0])]))
                found[0] |= UNCERTAIN

        for _ in range(3):  # what it has given before goes into it again
            before = found[0]
            self.repeat(self._nothing, once, self._nothing)
            if found[0] == before:
                return found[0]
        raise UnfitError

    def _method(self, call: Node, method: Node) -> Abstract:
        of, name = field(method, "object"), text_of(field(method, "property"))
        value = self.eval(of)
        optional = is_optional(call)
        skipped = Abstract(null=value.null) if optional else NOTHING
        if not optional:
            self._is_there(of)
        given = self._arguments(call)
        if self._is_spread(call) or value.functions:
            if name == "push" and not value.functions and not value.kinds:
                stored = any_of(given)
                self.change(value, partial(put_anywhere, value=self.plain(stored), key=NOTHING), stored)
                return A_SMALL | skipped
            self.give_away(any_of([value, *given]))
            return UNCERTAIN
        found = NOTHING
        if value.sites:
            found |= self._list_method(call, name, value, given)
        if value.kinds:
            found |= self._value_method(call, name, value, given)
        return found | skipped

    def _value_method(self, call: Node, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        """Return what a method of a text, of data or of some object gives."""
        called = any_of([Abstract(functions=each.functions) for each in given])
        if value.kinds & ~(TEXT | DATA):
            self.give_away(any_of([value._replace(sites=frozenset()), *given]))
        elif called.functions and not (name in CALLBACK_METHODS and value.is_only(DATA)):
            self._each(call, called, lambda _: [UNCERTAIN] * 6)
        if name in TEXT_METHODS:
            return A_TEXT
        if name == "split":
            return self.make_list(call, A_TEXT)
        if value.is_only(TEXT):
            if name in ("slice", "concat", "toString"):
                return A_TEXT
            if name in SMALL_METHODS:
                return A_SMALL
            if name == "match":
                return self.make_list(call, A_TEXT | NULL) | NULL
        if value.is_only(DATA):
            if name in CALLBACK_METHODS or name in ("join", "toString"):
                return self._callback_method(call, name, value, given)
            if name in SMALL_METHODS:
                return A_SMALL
            if name in ("slice", "concat"):
                return value.there
            if name in ("push", "pop", "shift", "unshift", "splice", "reverse"):
                self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def _list_method(self, call: Node, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        first = self.plain(given[0]) if given and name not in CALLBACK_METHODS else NOTHING
        only = value._replace(kinds=0)
        containers = self.containers(value)
        if not self.is_private(value) or any(not each.is_list for each in containers):
            self.give_away(any_of([value, *given]))
            return UNCERTAIN
        if name in CALLBACK_METHODS or name in ("join", "toString"):
            return self._callback_method(call, name, only, given)
        if name == "push" and len(given) == 1:
            self.change(value, partial(append, value=first), first)
            return A_SMALL
        if name == "unshift" and len(given) == 1:
            self.change(value, partial(put_anywhere, value=first, key=NOTHING), first)
            return A_SMALL
        if name in ("pop", "shift"):
            found = self.elements(only)
            self.change(value, loosened)
            return found | NULL
        if name in ("slice", "reverse"):
            if name == "reverse":
                self.change(value, loosened)
                return only.there
            return self.make_list(call, self.elements(only))
        if name == "concat":
            inner = [self._members(each) if each.sites else each for each in given]
            mixed = UNCERTAIN if any(each.kinds & ~TEXT & ~SMALL & ~NUMBER for each in given) else NOTHING
            return self.make_list(call, any_of([self.elements(only), *inner]) | mixed)
        if name in SMALL_METHODS:
            return A_SMALL
        self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def _callback_method(self, call: Node, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        """Return what a list's method gives that calls a function for each member, or makes a text of all."""
        if name in ("join", "toString"):
            return A_TEXT
        function = given[0] if given else NOTHING

        def member() -> Abstract:
            return self._members(value)

        if name == "reduce":
            begun = given[1] if len(given) > 1 else member()
            return begun | self._each(call, function, lambda before: [begun | before, member(), A_SMALL, value])
        if name == "sort":
            self._each(call, function, lambda _: [member(), member()])
            self.change(value, loosened)
            return value.there
        is_boolean = text_of(field(call, "arguments")).strip("() ") == "Boolean"
        results = NOTHING if is_boolean else self._each(call, function, lambda _: [member(), A_SMALL, value])
        if name == "map":
            return self.make_list(call, results)
        if name == "filter":
            kept = member()
            return self.make_list(call, kept.there if is_boolean or is_identity(call) else kept)
        if name == "find":
            return member() | NULL
        return A_SMALL if name in SMALL_METHODS else NULL if name == "forEach" else UNCERTAIN
