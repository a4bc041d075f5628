"""JavaScript's syntax trees and names: what stands where, what is bound to a name, and what tests say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from difygen.parser.dsl.code.machine import Machine, UnfitError
from difygen.parser.dsl.code.values import (
    A_SMALL,
    A_TEXT,
    DATA,
    NOTHING,
    NULL,
    SMALL,
    SOMETHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Function,
    put,
    put_anywhere,
)

FUNCTIONS = ("function_declaration", "function_expression", "arrow_function", "method_definition")
LATE_FUNCTIONS = ("generator_function", "generator_function_declaration")
SCOPED = (
    *FUNCTIONS,
    *LATE_FUNCTIONS,
    "statement_block",
    "for_statement",
    "for_in_statement",
    "switch_body",
    "catch_clause",
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
TEXT_METHODS = frozenset(_TEXT_WORDS.split())
TEXT_OR_LIST = frozenset(("slice", "concat", "toString", "join", "at", "toLocaleString"))
_SMALL_WORDS = "indexOf lastIndexOf includes startsWith endsWith search test findIndex some every"
SMALL_METHODS = frozenset(_SMALL_WORDS.split())
CALLBACK_METHODS = frozenset(("map", "filter", "forEach", "find", "some", "every", "reduce", "sort", "findIndex"))
_OTHER_WORDS = (
    "split match push pop shift unshift splice reverse flat flatMap length parse stringify keys values entries"
)
_METHODS = TEXT_METHODS | TEXT_OR_LIST | SMALL_METHODS | CALLBACK_METHODS | frozenset(_OTHER_WORDS.split())
"""Who assigns to such a member may change what everybody's texts and lists do."""


def javascript_tree(code: str) -> Node | None:
    """Return the syntax tree of a JavaScript text, or None if it has none."""
    try:
        tree = Parser(Language(tree_sitter_javascript.language())).parse(code.encode())
    except UnicodeEncodeError:
        return None
    return None if tree.root_node.has_error else tree.root_node


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def field(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise UnfitError
    return found


def operator_of(node: Node) -> str:
    return text_of(field(node, "operator"))


def literal(node: Node) -> str:
    """Return a text that is written out without escapes."""
    if any(each.type == "escape_sequence" for each in node.named_children):
        raise UnfitError
    return "".join(map(text_of, node.named_children)) if node.type == "string" else ""


def leaves_holes(node: Node) -> bool:
    """Check whether a list or a pattern leaves places out: `[a, , b]`."""
    kinds = [each.type for each in node.children if each.type != "comment"]
    return any(kind == "," and before in ("[", ",") for before, kind in pairwise(kinds))


def key_of(node: Node) -> str | None:
    if node.type == "property_identifier":
        return text_of(node)
    return literal(node) if node.type == "string" else None


def traverse(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(each.named_children)


def bound_in(pattern: Node) -> Iterator[str]:
    """Return the names that a pattern binds."""
    if pattern.type in ("identifier", "shorthand_property_identifier_pattern"):
        yield text_of(pattern)
    elif pattern.type in ("assignment_pattern", "object_assignment_pattern"):
        yield from bound_in(field(pattern, "left"))
    elif pattern.type == "pair_pattern":
        yield from bound_in(field(pattern, "value"))
    elif pattern.type in ("object_pattern", "array_pattern", "rest_pattern", "parenthesized_expression"):
        for each in pattern.named_children:
            yield from bound_in(each)


def declared_by(node: Node) -> Iterator[str]:
    """Return the names that a node declares."""
    if node.type in ("variable_declarator", "function_declaration", "generator_function_declaration"):
        yield from bound_in(field(node, "name"))
    elif node.type == "for_in_statement" and node.child_by_field_name("kind") is not None:
        yield from bound_in(field(node, "left"))
    elif node.type == "catch_clause" and (parameter := node.child_by_field_name("parameter")) is not None:
        yield from bound_in(parameter)


def declared_in(scope: Node) -> Iterator[str]:
    """Return the names that a block declares, not those of blocks and functions in it."""
    yield from declared_by(scope) if scope.type in ("for_in_statement", "catch_clause") else ()
    waiting = list(scope.named_children)
    while waiting:
        node = waiting.pop()
        yield from declared_by(node) if node.type not in ("for_in_statement", "catch_clause") else ()
        if node.type not in SCOPED:
            waiting.extend(node.named_children)


def parameters_of(function: Node) -> list[str]:
    single = function.child_by_field_name("parameter")
    if single is not None:
        return list(bound_in(single))
    parameters = function.child_by_field_name("parameters")
    return [name for each in (parameters.named_children if parameters else ()) for name in bound_in(each)]


def hoisted_in(function: Node) -> Iterator[str]:
    """Return the names that `var` declares anywhere in a function: they are undefined at its beginning."""
    waiting = [function if function.type == "program" else field(function, "body")]
    while waiting:
        node = waiting.pop()
        if node.type == "variable_declaration":
            for each in node.named_children:
                yield from declared_by(each)
        if node.type == "for_in_statement" and text_of(node.child_by_field_name("kind") or node) == "var":
            yield from declared_by(node)
        if node.type not in (*FUNCTIONS, *LATE_FUNCTIONS):
            waiting.extend(node.named_children)


def is_target(node: Node) -> bool:
    """Check whether a member is assigned to."""
    above = node.parent
    return (
        node.type == "member_expression"
        and above is not None
        and above.type in ("assignment_expression", "augmented_assignment_expression")
        and above.child_by_field_name("left") == node
    )


def is_optional(node: Node) -> bool:
    """Check whether `?.` may cut a chain short, here or further to the left."""
    while node.type in ("member_expression", "subscript_expression", "call_expression"):
        if any(each.type == "optional_chain" for each in node.children):
            return True
        node = field(node, "function" if node.type == "call_expression" else "object")
    return False


def is_identity(call: Node) -> bool:
    """Check whether a function is given that gives its argument: `x => x`."""
    function = field(call, "arguments").named_children[0]
    parameters, body = parameters_of(function), function.child_by_field_name("body")
    return body is not None and body.type == "identifier" and parameters[:1] == [text_of(body)]


class JavaScriptNames(Machine):
    """What names are bound to, and what tests say of them."""

    def eval(self, node: Node) -> Abstract:
        """Return what an expression may be."""
        raise NotImplementedError

    def __init__(self, tree: Node) -> None:
        super().__init__()
        self._tree = tree
        self._nesting = 0
        self._scopes: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        shared: set[str] = set()
        self._check(tree)
        self._find_shared(tree, (), frozenset(), shared)
        self.shared = frozenset(shared)

    def plain(self, value: Abstract) -> Abstract:
        """Return a value as it is kept where functions are not followed: JSON knows none, and says null for one."""
        return super().plain(value) | NULL if value.functions else value

    # -- what stands where ----------------------------------------------------------------------------------------

    def _check(self, tree: Node) -> None:
        """Give up where anything may be changed without a word of it."""
        for node in traverse(tree):
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
        if is_made and name in TEXT_METHODS | {"split"}:
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
        if any(each.type.endswith("assignment_expression") for each in traverse(test)):
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
