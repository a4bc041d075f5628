"""The JavaScript of a code node, gone through with abstract values. It is parsed, and never run.

`undefined` counts as null, which is what becomes of it in a list; so does NaN, which JSON cannot say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tree_sitter import Node

from difygen.parser.dsl.code.javascript_syntax import (
    FUNCTIONS,
    LATE_FUNCTIONS,
    SCOPED,
    bound_in,
    declared_by,
    declared_in,
    field,
    hoisted_in,
    is_identity,
    is_optional,
    is_target,
    key_of,
    leaves_holes,
    literal,
    operator_of,
    parameters_of,
    text_of,
    walked,
)
from difygen.parser.dsl.code.machine import MAX_NESTING, Machine, UnfitError
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

_UNFIT_WORDS = """
    class class_declaration with_statement labeled_statement await_expression method_definition this super meta_property
    import_statement export_statement yield_expression
"""
_UNFIT = frozenset(_UNFIT_WORDS.split())
_UNFIT_NAMES = frozenset(("eval", "Function", "globalThis", "global", "arguments", "Proxy", "Reflect", "inputs_obj"))
_UNFIT_PROPERTIES = frozenset(("prototype", "__proto__", "constructor", "toJSON", "defineProperty", "setPrototypeOf"))
_TEXT_WORDS = """
    trim trimStart trimEnd toUpperCase toLowerCase charAt substring substr replace replaceAll padStart padEnd repeat
    normalize toFixed toISOString toLocaleUpperCase toLocaleLowerCase toLocaleDateString toLocaleTimeString
"""
_TEXT_METHODS = frozenset(_TEXT_WORDS.split())
_TEXT_OR_LIST = frozenset(("slice", "concat", "toString", "join", "at", "toLocaleString"))
_SMALL_WORDS = "indexOf lastIndexOf includes startsWith endsWith search test findIndex some every"
_SMALL_METHODS = frozenset(_SMALL_WORDS.split())
_CALLBACK_METHODS = frozenset(("map", "filter", "forEach", "find", "some", "every", "reduce", "sort", "findIndex"))
_OTHER_WORDS = (
    "split match push pop shift unshift splice reverse flat flatMap length parse stringify keys values entries"
)
_METHODS = _TEXT_METHODS | _TEXT_OR_LIST | _SMALL_METHODS | _CALLBACK_METHODS | frozenset(_OTHER_WORDS.split())
"""Who assigns to such a member may change what everybody's texts and lists do."""
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


class JavaScriptReader(Machine):
    """Goes through a script and its `main`."""

    def __init__(self, tree: Node) -> None:
        super().__init__()
        self._tree = tree
        self._nesting = 0
        self._scopes: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        shared: set[str] = set()
        self._check(tree)
        self._find_shared(tree, (), frozenset(), shared)
        self.shared = frozenset(shared)

    def main(self, parameters: Mapping[str, Abstract] | None) -> Abstract:
        """Return what `main` gives for an object with these parameters; with any at all if None."""
        for name in hoisted_in(self._tree):
            self.bind(name, NULL)
        self._block(self._tree)
        main = self.frame.env.get("main", NOTHING)
        if "main" in self.shared or not main.functions or main != Abstract(functions=main.functions):
            raise UnfitError
        members = {name: (value, True) for name, value in (parameters or {}).items()}
        rest = data("") if parameters is None else NOTHING
        argument = self.make("inputs", Container(False, members=members, rest=rest))
        return any_of([self._call_function(each, self._tree, [argument]) for each in main.functions])

    def plain(self, value: Abstract) -> Abstract:
        """Return a value as it is kept where functions are not followed: JSON knows none, and says null for one."""
        return super().plain(value) | NULL if value.functions else value

    # -- what stands where ----------------------------------------------------------------------------------------

    def _check(self, tree: Node) -> None:
        """Give up where anything may be changed without a word of it."""
        for node in walked(tree):
            kind = node.type
            if kind in _UNFIT or (kind == "identifier" and text_of(node) in _UNFIT_NAMES):
                raise UnfitError
            if kind in FUNCTIONS and any(each.type == "async" for each in node.children):
                raise UnfitError
            if kind in ("break_statement", "continue_statement") and node.named_child_count:
                raise UnfitError
            if kind in ("property_identifier", "shorthand_property_identifier", "string_fragment"):
                self._check_name(node)

    def _check_name(self, node: Node) -> None:
        name, above = text_of(node), node.parent
        if name in _UNFIT_PROPERTIES or above is None:
            raise UnfitError
        if node.type == "string_fragment":
            above = above.parent
        is_made = above is not None and above.type in ("pair", "object")
        if is_made and name in _TEXT_METHODS | {"split"}:
            raise UnfitError
        if above is not None and name in _METHODS and is_target(above):
            raise UnfitError

    def _find_shared(
        self, scope: Node, around: tuple[frozenset[str], ...], local: frozenset[str], shared: set[str]
    ) -> None:
        """Find names that a block or a function takes from those around it: they are not followed."""
        is_function = scope.type in (*FUNCTIONS, *LATE_FUNCTIONS)
        if is_function or scope.type == "program":
            shared.update(self._ambiguous(scope))
        own = self._scope(scope)[0] if is_function or scope.type == "program" else frozenset(declared_in(scope))
        if not is_function and scope.type != "program":
            shared.update(name for name in own if any(name in each for each in around))
        if is_function or scope.type == "program":
            local = own
        inner = (*around, own if not is_function else frozenset(declared_in(scope)) | frozenset(parameters_of(scope)))
        waiting = list(scope.named_children)
        while waiting:
            node = waiting.pop()
            if node.type in ("assignment_expression", "augmented_assignment_expression", "update_expression"):
                target = node.child_by_field_name("left") or node.child_by_field_name("argument")
                if target is not None:
                    shared.update(each for each in bound_in(target) if each not in local)
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left = node.child_by_field_name("left")
                if left is not None:
                    shared.update(each for each in bound_in(left) if each not in local)
            if node.type in SCOPED:
                self._find_shared(node, inner, local, shared)
            else:
                waiting.extend(node.named_children)

    def _ambiguous(self, function: Node) -> set[str]:
        """Return the names that a function declares in several blocks, and that functions in it use."""
        declared = Counter(parameters_of(function))
        used: set[str] = set()
        waiting = list(function.named_children)
        while waiting:
            node = waiting.pop()
            declared.update(declared_by(node))
            if node.type in (*FUNCTIONS, *LATE_FUNCTIONS):
                used |= self._scope(node)[1]
            else:
                waiting.extend(node.named_children)
        return {name for name, times in declared.items() if times > 1 and name in used}

    def _scope(self, function: Node) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that a function declares anywhere in it, and those that it uses beside them."""
        if function.id not in self._scopes:
            local = set(parameters_of(function))
            used: set[str] = set()
            waiting = list(function.named_children)
            while waiting:
                node = waiting.pop()
                local.update(declared_by(node))
                if node.type in ("identifier", "shorthand_property_identifier"):
                    used.add(text_of(node))
                if node.type in (*FUNCTIONS, *LATE_FUNCTIONS):
                    used |= self._scope(node)[1]
                else:
                    waiting.extend(node.named_children)
            self._scopes[function.id] = frozenset(local), frozenset(used - local)
        return self._scopes[function.id]

    # -- statements -----------------------------------------------------------------------------------------------

    def _nothing(self) -> None:
        pass

    def _block(self, block: Node) -> None:
        for each in block.named_children:
            if each.type == "function_declaration":
                function = self._function(each)
                self.bind(text_of(field(each, "name")), self.plain(function) if self.frame.loops else function)
        for each in block.named_children:
            if not self.live:
                return
            self._statement(each)

    def _statement(self, node: Node | None) -> None:
        if node is None or not self.live:
            return
        self.step()
        match node.type:
            case "comment" | "empty_statement" | "function_declaration" | "hash_bang_line" | "debugger_statement":
                pass
            case "expression_statement":
                self.eval(node.named_children[0])
            case "lexical_declaration" | "variable_declaration":
                for each in node.named_children:
                    if each.type == "variable_declarator":
                        self._declare(each, hoisted=node.type == "variable_declaration")
            case "statement_block" | "else_clause":
                self._block(node)
            case "if_statement":
                test = field(node, "condition")
                self.eval(test)
                then, other = field(node, "consequence"), node.child_by_field_name("alternative")
                self.branch(partial(self._assume, test), lambda: self._statement(then), lambda: self._statement(other))
            case "return_statement":
                values = [each for each in node.named_children if each.type != "comment"]
                self.finish(self.eval(values[0]) if values else NULL)
            case "throw_statement":
                self.eval(node.named_children[0])
                self.leave()
            case "while_statement":
                self._while(field(node, "condition"), lambda: self._statement(field(node, "body")))
            case "do_statement":
                self._do(node)
            case "for_statement":
                self._for(node)
            case "for_in_statement":
                self._for_in(node)
            case "break_statement":
                self.break_off()
            case "continue_statement":
                self.go_on()
            case "switch_statement":
                self._switch(node)
            case "try_statement":
                handler, last = node.child_by_field_name("handler"), node.child_by_field_name("finalizer")
                self.attempt(
                    lambda: self._statement(field(node, "body")),
                    [partial(self._catch, handler)] if handler is not None else [],
                    self._nothing,
                    (lambda: self._block(field(last, "body"))) if last is not None else None,
                )
            case _:
                raise UnfitError

    def _declare(self, node: Node, *, hoisted: bool) -> None:
        value = node.child_by_field_name("value")
        if value is not None:
            self._assign(field(node, "name"), self.eval(value))
        elif not hoisted:
            self._assign(field(node, "name"), NULL)

    def _catch(self, handler: Node) -> None:
        parameter = handler.child_by_field_name("parameter")
        if parameter is not None:
            self._assign(parameter, UNCERTAIN)
        self._statement(field(handler, "body"))

    def _tested(self, test: Node | None, truth: bool) -> None:
        if test is not None and test.type != "empty_statement":
            self.eval(test)
            self._assume(test, truth)
        elif not truth:
            self.leave()

    def _while(self, test: Node | None, body: Callable[[], object]) -> None:
        self.repeat(lambda: self._tested(test, True), body, lambda: self._tested(test, False))

    def _round(self, body: Node, then: Callable[[], object]) -> None:
        """Do the body of a loop, and `then` also where it is cut short by `continue`."""
        breaks, continues = ways = ([], [])  # type: ignore[var-annotated]
        self.frame.loops.append(ways)
        self._statement(body)
        self.frame.loops.pop()
        for each in continues:
            self.join(each)
        then()
        if self.frame.loops:
            self.frame.loops[-1][0].extend(breaks)

    def _do(self, node: Node) -> None:
        test, body = field(node, "condition"), field(node, "body")
        ways = ([], [])  # type: ignore[var-annotated]
        self.frame.loops.append(ways)
        self._round(body, self._nothing)
        self.frame.loops.pop()
        self._while(test, lambda: self._statement(body))
        for each in ways[0]:
            self.join(each)

    def _for(self, node: Node) -> None:
        first = node.child_by_field_name("initializer")
        if first is not None and first.type != "empty_statement":
            if first.type.endswith("declaration") or first.type == "expression_statement":
                self._statement(first)
            else:
                self.eval(first)
        test, step = node.child_by_field_name("condition"), node.child_by_field_name("increment")
        if test is not None and test.type == "expression_statement":
            test = test.named_children[0]
        self._while(test, lambda: self._round(field(node, "body"), lambda: self._stepped(step)))

    def _stepped(self, step: Node | None) -> None:
        if step is not None and self.live:
            self.eval(step)

    def _for_in(self, node: Node) -> None:
        value = self.eval(field(node, "right"))
        is_of = text_of(field(node, "operator")) == "of"
        left, body = field(node, "left"), field(node, "body")
        self.repeat(
            lambda: self._assign(left, self._members(value) if is_of else A_TEXT),
            lambda: self._statement(body),
            self._nothing,
        )

    def _switch(self, node: Node) -> None:
        self.eval(field(node, "value"))
        before = self.state()
        breaks, continues = ways = ([], [])  # type: ignore[var-annotated]
        self.frame.loops.append(ways)
        self.leave()
        has_default = False
        for case in field(node, "body").named_children:
            if case.type == "comment":
                continue
            self.join(before)
            value = case.child_by_field_name("value")
            has_default |= value is None
            if value is not None:
                self.eval(value)
                before = self.state()
            for each in case.children_by_field_name("body"):
                self._statement(each)
        self.frame.loops.pop()
        if not has_default:
            self.join(before)
        for state in breaks:
            self.join(state)
        if self.frame.loops:
            self.frame.loops[-1][1].extend(continues)

    # -- names ----------------------------------------------------------------------------------------------------

    def _assign(self, target: Node, value: Abstract) -> None:
        match target.type:
            case "identifier" | "shorthand_property_identifier_pattern":
                self.bind(text_of(target), value)
            case "member_expression" | "subscript_expression":
                self._store(target, self.plain(value))
            case "object_pattern":
                self._destructure(target, value)
            case "array_pattern":
                has_holes = leaves_holes(target)
                for number, each in enumerate(target.named_children):
                    if each.type == "rest_pattern":
                        self._assign(each.named_children[0], self.make_list(each, self._members(value)))
                    else:
                        found = self._members(value) | NULL if has_holes else self._indexed(value, number)
                        self._assign(each, found)
            case "assignment_pattern" | "object_assignment_pattern":
                default = self.eval(field(target, "right"))
                self._assign(field(target, "left"), value | default)
            case "rest_pattern":
                self._assign(target.named_children[0], value)
            case "parenthesized_expression":
                self._assign(target.named_children[0], value)
            case _:
                raise UnfitError

    def _destructure(self, pattern: Node, value: Abstract) -> None:
        for each in pattern.named_children:
            match each.type:
                case "shorthand_property_identifier_pattern":
                    self._assign(each, self._property(value, text_of(each)))
                case "object_assignment_pattern":
                    self._assign(each, self._property(value, text_of(field(each, "left"))))
                case "pair_pattern":
                    name = key_of(field(each, "key"))
                    found = self._property(value, name) if name is not None else UNCERTAIN
                    self._assign(field(each, "value"), found)
                case "rest_pattern":
                    self.give_away(value)
                    self._assign(each.named_children[0], SOMETHING)
                case "comment":
                    pass
                case _:
                    raise UnfitError

    def _store(self, target: Node, value: Abstract) -> None:
        of = field(target, "object")
        object_ = self.eval(of)
        if of.type == "identifier" and self.read(text_of(of)) is None:
            raise UnfitError  # it changes what is everybody's
        name = None
        if target.type == "member_expression":
            name = text_of(field(target, "property"))
        else:
            index = field(target, "index")
            key = self.eval(index)
            if index.type == "string":
                name = literal(index)
            elif not key.is_only(SMALL):
                self.change(object_, partial(put_anywhere, value=value, key=A_TEXT), value)
                return
        if name is not None and name != "length":
            self.change(object_, partial(put, name=name, value=value), value)
        else:  # a list may be longer now, with holes in it
            self.change(object_, partial(put_anywhere, value=value | NULL, key=A_TEXT), value)

    def _function(self, node: Node) -> Abstract:
        local, free = self._scope(node)
        function = Function(node, self.frame, local, free)
        value = Abstract(functions=frozenset((function,)))
        return self.plain(value) if node.type in LATE_FUNCTIONS else value

    # -- tests ----------------------------------------------------------------------------------------------------

    def _assume(self, test: Node, truth: bool) -> None:
        """Take away what a test, which has been evaluated, rules out."""
        if any(each.type.endswith("assignment_expression") for each in walked(test)):
            return
        match test.type:
            case "parenthesized_expression":
                self._assume(test.named_children[0], truth)
            case "true" | "false":
                if (test.type == "true") is not truth:
                    self.leave()
            case "identifier":
                if truth:
                    self._is_there(test)
            case "unary_expression":
                if operator_of(test) == "!":
                    self._assume(field(test, "argument"), not truth)
            case "binary_expression":
                self._compared(field(test, "left"), operator_of(test), field(test, "right"), truth)

    def _compared(self, left: Node, operator: str, right: Node, truth: bool) -> None:
        if operator in ("&&", "||"):
            if (operator == "&&") is truth:
                self._assume(left, truth)
                self._assume(right, truth)
            return
        if operator == "!=" and right.type in ("null", "undefined") and truth:
            self._is_there(left)
        if operator == "==" and right.type in ("null", "undefined") and not truth:
            self._is_there(left)
        is_typeof = left.type == "unary_expression" and operator_of(left) == "typeof"
        if is_typeof and operator in ("===", "==") and truth and literal(right) in ("string", "number", "boolean"):
            self._is_there(field(left, "argument"))

    def _is_there(self, subject: Node) -> None:
        if subject.type == "identifier":
            self.narrow(text_of(subject), lambda value: value.there)

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

    def _members(self, value: Abstract) -> Abstract:
        """Return what going through a list or a text gives."""
        found = self.elements(value)
        if any(not each.is_list for each in self.containers(value)):
            found |= UNCERTAIN
        return found

    def _property(self, value: Abstract, name: str) -> Abstract:
        if name == "length":
            lists = all(each.is_list for each in self.containers(value)) and self.is_private(value)
            if lists and not value.kinds & ~TEXT:
                return A_SMALL
        found = self.member(value, name, NULL)
        return found if value.sites and not value.kinds else found | (NULL if value.kinds & ~DATA else NOTHING)

    def _indexed(self, value: Abstract, index: int) -> Abstract:
        exact = [each.order for each in self.containers(value) if each.order is not None and index < len(each.order)]
        is_exact = len(exact) == len(value.sites) and not value.kinds and self.is_private(value)
        return self.element(value, index) | (NOTHING if is_exact else NULL)

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
        elif called.functions and not (name in _CALLBACK_METHODS and value.is_only(DATA)):
            self._each(call, called, lambda _: [UNCERTAIN] * 6)
        if name in _TEXT_METHODS:
            return A_TEXT
        if name == "split":
            return self.make_list(call, A_TEXT)
        if value.is_only(TEXT):
            if name in ("slice", "concat", "toString"):
                return A_TEXT
            if name in _SMALL_METHODS:
                return A_SMALL
            if name == "match":
                return self.make_list(call, A_TEXT | NULL) | NULL
        if value.is_only(DATA):
            if name in _CALLBACK_METHODS or name in ("join", "toString"):
                return self._callback_method(call, name, value, given)
            if name in _SMALL_METHODS:
                return A_SMALL
            if name in ("slice", "concat"):
                return value.there
            if name in ("push", "pop", "shift", "unshift", "splice", "reverse"):
                self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def _list_method(self, call: Node, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        first = self.plain(given[0]) if given and name not in _CALLBACK_METHODS else NOTHING
        only = value._replace(kinds=0)
        containers = self.containers(value)
        if not self.is_private(value) or any(not each.is_list for each in containers):
            self.give_away(any_of([value, *given]))
            return UNCERTAIN
        if name in _CALLBACK_METHODS or name in ("join", "toString"):
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
        if name in _SMALL_METHODS:
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
        return A_SMALL if name in _SMALL_METHODS else NULL if name == "forEach" else UNCERTAIN
