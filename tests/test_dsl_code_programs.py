"""Whole programs in code nodes, made up by Hypothesis: whatever is said to be sure is sure in every run of them.

The programs have helper functions, branches, loops, comprehensions, exceptions, objects and lists that are shared and
changed, and parameters of which the graph knows that they are never null. Each is run with many arguments."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from difygen.model import ArrayOf, ObjectOf, Primitive, Property, UnionOf
from difygen.parser.dsl.code import Parameter, returned
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.shapes import check_shape

NAMES = st.sampled_from(["a", "n", "items", "obj", "x", "y", "z", "d"])
KEYS = st.sampled_from(["x", "y", "k"])
ARGUMENTS: list[dict[str, Any]] = [
    {"a": "x,y", "n": 3, "items": ["b", "a"], "obj": {"k": None, "x": "s"}},
    {"a": "", "n": 0, "items": [], "obj": {"k": {"x": 1}}},
    {"a": "k", "n": -1, "items": ["k"], "obj": {"y": [None, 1], "k": 5}},
]
PARAMETERS = (
    Parameter("a", Primitive.STRING, False),
    Parameter("n", Primitive.NUMBER, False),
    Parameter("items", ArrayOf(Primitive.STRING), False),
    Parameter("obj", ObjectOf((Property("k", UnionOf((Primitive.ANY, Primitive.NULL)), required=True),)), False),
)
LEAVES = st.one_of(
    NAMES,
    st.sampled_from(["None", "'t'", "1", "[]", "{}", "True", "['p', None]", "{'x': None, 'y': 's'}", "('t', None)"]),
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions that are made of others."""
    return st.one_of(
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("[*{}, {}]".format, inner, inner),
        st.builds("{{'{}': {}, '{}': {}}}".format, KEYS, inner, KEYS, inner),
        st.builds("{{**{}, '{}': {}}}".format, inner, KEYS, inner),
        st.builds("{{'{}': {}, **{}}}".format, KEYS, inner, inner),
        st.builds("{{{}: {}}}".format, NAMES, inner),
        st.builds("dict({}, {}={})".format, inner, KEYS, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "+", "*", "==", "|", "in"]), inner),
        st.builds("({} is {}None)".format, inner, st.sampled_from(["", "not "])),
        st.builds("(not {})".format, inner),
        st.builds("isinstance({}, {})".format, inner, st.sampled_from(["str", "dict", "(str, list)"])),
        st.builds("({} := {})".format, NAMES, inner),
        st.builds("{}['{}']".format, inner, KEYS),
        st.builds("{}[{}]".format, inner, st.sampled_from(["0", "-1", "n", "a", ":1"])),
        st.builds("{}.get('{}')".format, inner, KEYS),
        st.builds("{}.get('{}', {})".format, inner, KEYS, inner),
        st.builds("{}.setdefault('{}', {})".format, inner, KEYS, inner),
        st.builds("{}.pop({})".format, inner, st.sampled_from(["", "'x', None", "'k'", "0"])),
        st.builds("{}.{}()".format, inner, st.sampled_from(["strip", "split", "copy", "values", "items", "keys"])),
        st.builds("{}.join({})".format, inner, inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(["str", "list", "sorted", "dict", "len", "tuple", "json.dumps", "next", "max", "print"]),
            inner,
        ),
        st.builds("list(map({}, {}))".format, st.sampled_from(["str", "h", "len", "lambda e: e"]), inner),
        st.builds("sorted({}, key=lambda e: ({}, str(e))[1])".format, inner, inner),
        st.builds("json.loads(json.dumps({}))".format, inner),
        st.builds("h({})".format, inner),
        st.builds("g({}, {})".format, inner, inner),
        st.builds("g({}, q={})".format, inner, inner),
        st.builds("(lambda e: {})({})".format, inner, inner),
        st.builds("f'{{{}}}'".format, NAMES),
        st.builds("[{} for {} in {}]".format, inner, NAMES, inner),
        st.builds("[{} for {} in {} if {}]".format, inner, NAMES, inner, inner),
        st.builds("{{e: {} for e in {}}}".format, inner, inner),
        st.builds("dict(zip({}, {}))".format, inner, inner),
        st.builds("[v for _, v in {}.items()]".format, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, compound, max_leaves=5)


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


SIMPLE = st.one_of(
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("{}, {} = {}".format, NAMES, NAMES, EXPRESSIONS),
    st.builds("{}, *{} = {}".format, NAMES, NAMES, EXPRESSIONS),
    st.builds("{} += {}".format, NAMES, EXPRESSIONS),
    st.builds("{}['{}'] = {}".format, NAMES, KEYS, EXPRESSIONS),
    st.builds("{}['{}'] += {}".format, NAMES, KEYS, EXPRESSIONS),
    st.builds("{}[{}] = {}".format, NAMES, st.sampled_from(["0", "n", "a"]), EXPRESSIONS),
    st.builds("del {}['{}']".format, NAMES, KEYS),
    st.builds("{}.append({})".format, NAMES, EXPRESSIONS),
    st.builds("{}.extend({})".format, NAMES, EXPRESSIONS),
    st.builds("{}.update({})".format, NAMES, EXPRESSIONS),
    st.builds("{}.update({}={})".format, NAMES, KEYS, EXPRESSIONS),
    st.builds("return {{'x': {}, 'y': {}}}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("return {}".format, NAMES),
    st.builds("h({})".format, NAMES),
    st.sampled_from(["raise ValueError(a)", "pass"]),
)
IN_LOOPS = st.one_of(SIMPLE, st.sampled_from(["break", "continue"]))


def blocks(inner: st.SearchStrategy[str], *, loop: bool = False) -> st.SearchStrategy[str]:
    """Statements that hold others."""
    body = st.lists(st.one_of(inner, IN_LOOPS) if loop else inner, min_size=1, max_size=3).map("\n".join).map(indented)
    whole = st.lists(inner, min_size=1, max_size=3).map("\n".join).map(indented)
    loops = st.lists(st.one_of(inner, IN_LOOPS), min_size=1, max_size=3).map("\n".join).map(indented)
    return st.one_of(
        st.builds("if {}:\n{}".format, EXPRESSIONS, body),
        st.builds("if {}:\n{}\nelse:\n{}".format, EXPRESSIONS, body, body),
        st.builds("for {} in {}:\n{}".format, NAMES, EXPRESSIONS, loops),
        st.builds("for {} in {}:\n{}\nelse:\n{}".format, NAMES, EXPRESSIONS, loops, whole),
        st.builds("for e, {} in enumerate({}):\n{}".format, NAMES, EXPRESSIONS, loops),
        st.builds("while ROUNDS.pop() and {}:\n{}".format, EXPRESSIONS, loops),
        st.builds("try:\n{}\nexcept Exception as {}:\n{}".format, whole, NAMES, whole),
        st.builds("try:\n{}\nexcept KeyError:\n{}\nelse:\n{}\nfinally:\n{}".format, whole, whole, whole, whole),
        st.builds("try:\n{}\nfinally:\n{}".format, whole, whole),
    )


STATEMENTS = st.recursive(SIMPLE, blocks, max_leaves=7)
BODIES = st.lists(STATEMENTS, min_size=1, max_size=5).map("\n".join).map(indented)
HELPERS = (
    st.lists(
        st.one_of(
            STATEMENTS,
            st.builds(
                "return {}".format,
                st.recursive(st.sampled_from(["p", "q", "'t'", "None", "[p]"]), compound, max_leaves=3),
            ),
            st.builds("p['{}'] = {}".format, KEYS, st.sampled_from(["None", "q", "'t'"])),
            st.builds(
                "if {}:\n    return {}".format,
                st.sampled_from(["p", "q is None", "not p"]),
                st.sampled_from(["p", "q", "'t'"]),
            ),
        ),
        min_size=1,
        max_size=3,
    )
    .map("\n".join)
    .map(indented)
)
PROGRAM = """import json
ROUNDS = [0, 1, 1, 1]
d = {{'x': 't'}}

def h(p):
    q = x = y = None
{}

def g(p, q=None):
    x = y = z = 's'
{}

def main(a, n, items, obj):
    x, y, z, d = 't', None, ['u'], {{'x': 's', 'y': None}}
{}
    return {{'x': x, 'y': y}}
"""
PROGRAMS = st.builds(PROGRAM.format, HELPERS, HELPERS, BODIES)


def check_program(text: str, parameters: tuple[Parameter, ...] | None) -> int:
    """How many runs there were of which something was said."""
    shape = returned("python3", text, parameters)
    if shape is None:
        return 0
    checked = 0
    for arguments in ARGUMENTS:
        result: object = None
        with suppress(Exception):  # a run that fails gives nothing
            scope: dict[str, Any] = {}
            exec(compile(text, "<code>", "exec", dont_inherit=True), scope)  # noqa: S102 - made above
            result = json.loads(json.dumps(scope["main"](**json.loads(json.dumps(arguments)))))
        if isinstance(result, dict):
            checked += 1
            for name, each in result.items():
                check_shape(each, shape.at(name), text)
    return checked


@settings(max_examples=examples(120), deadline=None)
@given(PROGRAMS)
def test_what_is_sure_is_so_in_every_run(text: str) -> None:
    check_program(text, PARAMETERS)


@settings(max_examples=40, deadline=None)
@given(PROGRAMS)
def test_what_is_sure_whatever_the_arguments_is_so(text: str) -> None:
    check_program(text, None)
