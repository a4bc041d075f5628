"""What the JavaScript of code nodes never gives as null. Whatever is said to be sure is compared with runs in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from difygen.model import ArrayOf, ObjectOf, Primitive, Property, UnionOf
from difygen.parser.dsl.code import Parameter, returned
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.shapes import check_shape

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed, so nothing runs the JavaScript")
RUNNER = """
const vm = require("vm"), programs = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const out = programs.map(([code, inputs]) => inputs.map(each => {
  const given = JSON.stringify(JSON.stringify(each));
  const script = `${code}\n;JSON.stringify(main(JSON.parse(${given})))`;
  try {
    return JSON.parse(vm.runInNewContext(script, {console: {log() {}}}, {timeout: 200}));
  } catch (error) { return null; }
}));
process.stdout.write(JSON.stringify(out));
"""
ARGUMENTS: list[dict[str, Any]] = [
    {"a": "x,y", "n": 3, "items": ["b", "a"], "obj": {"k": None, "x": "s"}},
    {"a": "", "n": 0, "items": [], "obj": {"k": {"x": 1}}},
    {"a": "k", "n": -1, "items": ["k"], "obj": {"y": [None, 1], "k": 5}},
]
PARAMETERS = (
    Parameter("a", Primitive.STRING, False),
    Parameter("n", Primitive.NUMBER, False),
    Parameter("items", ArrayOf(Primitive.STRING), False),
    Parameter("obj", ObjectOf((Property("k", UnionOf((Primitive.ANY, Primitive.NULL))),)), False),
)


def run(programs: list[str]) -> list[list[Any]]:
    """What programs give for all arguments; None for runs that fail."""
    assert NODE is not None
    text = json.dumps([(program, ARGUMENTS) for program in programs])
    done = subprocess.run([NODE, "-e", RUNNER], input=text, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def check(programs: list[str]) -> None:
    shapes = [returned("javascript", program, PARAMETERS) for program in programs]
    for program, shape, results in zip(programs, shapes, run(programs), strict=True):
        for result in results:
            if shape is not None and isinstance(result, dict):
                for name, each in result.items():
                    check_shape(each, shape.at(name), program)


def level(text: str, parameters: tuple[Parameter, ...] | None = PARAMETERS) -> int:
    """How sure `x` is: 0 maybe null, 1 a value, 2 a value whose members are values."""
    found = returned("javascript", text, parameters)
    output = found.at("x") if found is not None else None
    if output is None or output.null:
        return 0
    return 1 if output.item is None or output.item.null else 2


CASES: list[tuple[str, int]] = [
    ("return {x: 's'}", 2),
    ("return {x: null}", 0),
    ("return {x: undefined}", 0),
    ("return {x: a}", 2),
    ("return {x: `seen ${obj.nothing}`}", 2),
    ("return {x: items}", 2),
    ("return {x: obj.k}", 0),
    ("return {x: obj?.k?.x}", 0),
    ("return {x: obj.k ?? 's'}", 1),
    ("return {x: obj.k || 's'}", 1),
    ("return {x: a.trim()}", 2),
    ("return {x: a.split(',')}", 2),
    ("return {x: a.split(',')[0]}", 0),
    ("return {x: a.length}", 2),
    ("return {x: n + 1}", 2),
    ("return {x: n * n}", 0),
    ("return {x: parseInt(a)}", 0),
    ("return {x: [a, 's']}", 2),
    ("return {x: [a, null]}", 1),
    ("return {x: [a, , 's']}", 1),
    ("return {x: [() => 1]}", 1),
    ("return {x: items.map(each => each.trim())}", 2),
    ("return {x: items.map(each => null)}", 1),
    ("return {x: items.map(each => obj[each]).filter(each => each)}", 2),
    ("return {x: items.find(each => each === 'a')}", 0),
    ("return {x: items.join(', ')}", 2),
    ("return {x: items.reduce((sum, each) => sum + each, '')}", 2),
    ("return {x: JSON.stringify(items)}", 2),
    ("return {x: JSON.stringify(obj.nothing)}", 0),
    ("return {x: JSON.parse(a)}", 0),
    ("let x = ''; try { x = JSON.parse(a).x } catch (e) {} return {x}", 0),
    ("let x = ''; try { x = String(JSON.parse(a).x) } catch (e) {} return {x}", 2),
    ("let x; if (a) { x = 's' } return {x}", 0),
    ("let x; if (a) { x = 's' } else { x = 't' } return {x}", 2),
    ("if (a) { var x = 's' } return {x}", 0),
    ("let x = null; items.forEach(each => { x = each }); return {x}", 0),
    ("const x = []; for (const each of items) { x.push(each) } return {x}", 2),
    ("const x = []; items.forEach(each => { x.push(each) }); return {x}", 2),
    ("const x = []; x.push(obj.k); return {x}", 1),
    ("const x = ['s']; x[3] = 't'; return {x}", 1),
    ("const x = ['s']; delete x[0]; return {x}", 1),
    ("let x = null; { let x = 's' } return {x}", 0),
    ("let f; { let y = null; f = () => y } { let y = 's'; return {x: f()} }", 0),
    ("let x = 0; for (let i = 0; i < 3; i++) { if (i === 1) continue; x += i } return {x}", 0),
    ("let x = 's'; switch (n) { case 3: x = null; break; case 0: x = 't' } return {x}", 0),
    ("switch (n) { case 3: return {x: 's'}; default: return {x: 't'} }", 2),
    ("let x = null; do { x = 's' } while (a === 'never'); return {x}", 2),
    ("const {k, ...rest} = obj; return {x: k}", 0),
    ("const [y = 's'] = items; return {x: y}", 0),
    ("return {x: helper(a)}", 2),
    ("return {x: helper(null)}", 2),
    ("const y = {}; y.x = 's'; return y", 2),
    ("const y = {x: 's'}; const z = y; z.x = null; return y", 0),
    ("return {x: 's', ...obj}", 0),
    ("return {...obj, x: 's'}", 2),
    ("return Object.assign({}, {x: 's'})", 0),
    ("return {x: new Date(a)}", 0),
    ("return {x: new Date().toISOString()}", 2),
    ("JSON.stringify = () => null; return {x: JSON.stringify(a)}", 0),
    ("const all = JSON; all.stringify = () => null; return {x: JSON.stringify(a)}", 0),
    ("String.prototype.trim = () => null; return {x: a.trim()}", 0),
    ("return {x: {trim: () => null}.trim()}", 0),
    ("return {x: {toJSON: () => null}}", 0),
    ("return {x: eval('null')}", 0),
]
HEAD = "function helper(value) { if (!value) { return '' } return value }\n"


def program(body: str) -> str:
    return f"{HEAD}function main({{a, n, items, obj}}) {{ {body} }}"


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_bodies(body: str, expected: int) -> None:
    assert level(program(body)) == expected


@needs_node
def test_bodies_in_node() -> None:
    check([program(body) for body, _ in CASES])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "function",
        "function other() { return {x: 's'} }",
        "async function main() { return {x: 's'} }",
        "function* main() { return {x: 's'} }",
        "function main() { return {x: 's'} }\nmain = other",
        "class T { }\nfunction main() { return {x: 's'} }",
        "function main() { return {x: " + "(" * 4000 + "1" + ")" * 4000 + "} }",
        "function main() { return {x: '\ud800'} }",
    ],
)
def test_what_cannot_be_judged_is_not_sure(text: str) -> None:
    assert level(text) == 0


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=60), st.sampled_from(CASES), st.integers(0, 200))
def test_no_text_breaks_the_reading(garbage: str, case: tuple[str, int], place: int) -> None:
    text = program(case[0])
    returned("javascript", text[:place] + garbage + text[place:], PARAMETERS)


NAMES = st.sampled_from(["a", "n", "items", "obj", "x", "y", "z"])
KEYS = st.sampled_from(["x", "y", "k"])
LEAVES = st.one_of(
    NAMES, st.sampled_from(["null", "undefined", "'t'", "1", "[]", "({})", "true", "['p', null]", "({x: null})"])
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions that are made of others."""
    return st.one_of(
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("[...{}, {}]".format, inner, inner),
        st.builds("({{{}: {}, {}: {}}})".format, KEYS, inner, KEYS, inner),
        st.builds("({{...{}, {}: {}}})".format, inner, KEYS, inner),
        st.builds("({{{}: {}, ...{}}})".format, KEYS, inner, inner),
        st.builds("({{[{}]: {}}})".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||", "??", "+", "-", "==", "===", "!="]), inner),
        st.builds("(!{})".format, inner),
        st.builds("(typeof {} === 'string')".format, inner),
        st.builds("{}.{}".format, inner, KEYS),
        st.builds("{}?.{}.{}".format, inner, KEYS, KEYS),
        st.builds("{}[{}]".format, inner, inner),
        st.builds(
            "{}.{}".format, inner, st.sampled_from(["length", "trim()", "slice(1)", "split(',')", "pop()", "join('')"])
        ),
        st.builds("{}.push({})".format, inner, inner),
        st.builds("{}.{}(e => {})".format, inner, st.sampled_from(["map", "filter", "find", "forEach", "some"]), inner),
        st.builds("{}.reduce((p, e) => {}, {})".format, inner, inner, inner),
        st.builds("{}.map(e => e)".format, inner),
        st.builds("{}.filter(e => e)".format, inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(["String", "Number", "h", "JSON.stringify", "Object.keys", "Object.values"]),
            inner,
        ),
        st.builds("JSON.parse(JSON.stringify({}))".format, inner),
        st.builds("g({}, {})".format, inner, inner),
        st.builds("`${{{}}}`".format, inner),
        st.builds("({} = {})".format, NAMES, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, compound, max_leaves=4)
SIMPLE = st.one_of(
    st.builds("{} = {};".format, NAMES, EXPRESSIONS),
    st.builds("{} += {};".format, NAMES, EXPRESSIONS),
    st.builds("{}.{} = {};".format, NAMES, KEYS, EXPRESSIONS),
    st.builds("{}[{}] = {};".format, NAMES, st.sampled_from(["0", "3", "n", "a"]), EXPRESSIONS),
    st.builds("delete {}.{};".format, NAMES, KEYS),
    st.builds("[{}, {}] = {};".format, NAMES, NAMES, EXPRESSIONS),
    st.builds("({{{}, k: {}}} = {});".format, KEYS, NAMES, EXPRESSIONS).filter(lambda text: "({k" not in text),
    st.builds("return {{x: {}, y: {}}};".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("return {};".format, NAMES),
    st.builds("h({});".format, NAMES),
    st.sampled_from(["throw a;", "n++;"]),
)
JUMPS = st.sampled_from(["break;", "continue;"])


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Statements that hold others."""
    body = st.lists(inner, min_size=1, max_size=3).map("\n".join)
    loop = st.lists(st.one_of(inner, JUMPS), min_size=1, max_size=3).map("\n".join)
    return st.one_of(
        st.builds("if ({}) {{ {} }}".format, EXPRESSIONS, body),
        st.builds("if ({}) {{ {} }} else {{ {} }}".format, EXPRESSIONS, body, body),
        st.builds("for (const e of {}) {{ {} }}".format, EXPRESSIONS, loop),
        st.builds("for (const e in {}) {{ {} }}".format, EXPRESSIONS, loop),
        st.builds("for (let i = 0; i < 3; i++) {{ {} }}".format, loop),
        st.builds("do {{ {} }} while (R.pop());".format, loop),
        st.builds("while (R.pop() && {}) {{ {} }}".format, EXPRESSIONS, loop),
        st.builds("switch ({}) {{ case 3: {} case 'k': {} default: {} }}".format, EXPRESSIONS, body, body, body),
        st.builds("try {{ {} }} catch (e) {{ {} }}".format, body, body),
        st.builds("try {{ {} }} finally {{ {} }}".format, body, body),
        st.builds("{{ let x = {}; {} }}".format, EXPRESSIONS, body),
        st.builds("items.forEach(e => {{ {} }});".format, body),
    )


STATEMENTS = st.recursive(SIMPLE, blocks, max_leaves=6)
BODIES = st.lists(STATEMENTS, min_size=1, max_size=5).map("\n".join)
PROGRAM = """const R = [0, 1, 1];
function h(p) {{ let x, y = null, z; {} }}
const g = (p, q = null) => {};
function main({{a, n, items, obj}}) {{
  let x = 't', y = null, z = ['u'];
  {}
  return {{x, y}};
}}
"""
HELPERS = st.one_of(
    BODIES.map(
        lambda text: (
            text.replace("items", "p").replace("obj", "p").replace("a", "p") if "=" not in text else "return p;"
        )
    ),
    st.builds(
        "if ({}) {{ return {}; }} return {};".format, *[st.sampled_from(["p", "!p", "'t'", "null", "p != null"])] * 3
    ),
)
PROGRAMS = st.builds(
    PROGRAM.format,
    HELPERS,
    st.sampled_from(["p", "[p, q]", "p || q", "({x: p, y: q})", "p ? q : p", "q ?? 's'"]),
    BODIES,
)


@needs_node
@settings(max_examples=25, deadline=None)
@given(st.lists(PROGRAMS, min_size=1, max_size=12))
def test_what_is_sure_is_so_in_every_run(programs: list[str]) -> None:
    check(programs)
