"""The JavaScript of a code node, gone through with abstract values. It is parsed, and never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tree_sitter import Node

from difygen.parser.dsl.code.javascript_names import field, hoisted_in, text_of
from difygen.parser.dsl.code.javascript_values import JavaScriptValues
from difygen.parser.dsl.code.machine import UnfitError
from difygen.parser.dsl.code.values import (
    A_TEXT,
    NOTHING,
    NULL,
    UNCERTAIN,
    Abstract,
    Container,
    any_of,
    data,
)


class JavaScriptReader(JavaScriptValues):
    """Goes through a script and its `main`."""

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
