"""JavaScript's syntax trees: what stands where, and which names a block or a function has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from difygen.parser.dsl.code.machine import UnfitError

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


def parsed(code: str) -> Node | None:
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


def walked(node: Node) -> Iterator[Node]:
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
